"""What a run tells while it goes on: rows and graph to the catalog, progress to who asked, and at last its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from mulle.pipelines import journal, memo, pinning
from mulle.pipelines.describing import plain, told
from mulle.pipelines.model import Ending, Progress, RunResult, StepResult
from mulle.pipelines.task import PRUNED
from mulle.tracking import runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.keeper import Keeper
    from mulle.pipelines.model import ValueRef
    from mulle.pipelines.plan import Ongoing, Plan
    from mulle.pipelines.task import Failure

_REDRAW_SECONDS = 0.5


class GivenUpError(Exception):
    """Another process took this one for dead, and has ended the run."""


class Record:
    """The record of one run; `steps` are its steps by name, and change while it goes on."""

    def __init__(
        self,
        plan: Plan,
        steps: Mapping[str, Ongoing],
        catalog: Catalog,
        known: memo.Memo,
        part: pinning.Part | None = None,
    ) -> None:
        """Of a `part`, only its own steps are told of."""
        self.run = ""
        self._part = part
        self.versions: list[str] = []
        """The model versions that it registered."""
        self.tell: Callable[[Progress], None] | None = None
        self.keeper: Keeper | None = None
        """Says whether the run is still this process's."""
        self._plan = plan
        self._steps = steps
        self._catalog = catalog
        self._memo = known
        self._lines: dict[str, journal.Line] = {}
        """What the transaction that is open writes of steps, by name, when it ends."""
        self._moved: list[Ongoing] = []
        """Steps whose change of state has not been told yet."""
        self._grown = False
        self._drawn = time.monotonic()

    @contextmanager
    def transaction(self) -> Iterator[tuple[Tx, Tx]]:
        """A transaction on the catalog and one on the memo, which are the same where the memo lies in the catalog."""
        with self._catalog.write() as tx, self._memo.within(self._catalog, tx) as known:
            if self.keeper is not None and not self.keeper.check(tx):
                raise GivenUpError
            yield tx, known
            if time.monotonic() - self._drawn > _REDRAW_SECONDS:
                self._draw(tx)
            journal.write(tx, self.run, self._lines.values())
        self._lines.clear()

    def begin(self, tx: Tx) -> None:
        """Make the run, with all its steps; or join the one that this is a part of."""
        self.run = self._create(tx) if self._part is None else pinning.join(tx, self._part)
        for step in self._steps.values():
            step.row = msgspec.structs.replace(step.row, run=self.run)

    def _create(self, tx: Tx) -> str:
        plan = self._plan
        run = runs.create(
            tx,
            kind="pipeline",
            pipeline=plan.graph.pipeline,
            experiment=plan.experiment,
            params=plain(plan.graph.params),
            as_of=plan.as_of,
            project_version=plan.project_version,
            beat=time.monotonic(),
        )
        journal.write_graph(tx, run, plan.graph)
        return run

    def write(self, step: Ongoing, reads: Sequence[tuple[str, str]] = (), uses: Sequence[str] = ()) -> None:
        """Record the state of a step, when the transaction ends."""
        self._lines[step.node.name] = journal.Line(step.row, step.owner, reads, uses)
        self._moved.append(step)

    def grew(self) -> None:
        """Nodes came into the place of another one: the graph is recorded anew, soon."""
        self._grown = True

    def report(self, done: int) -> None:
        """Tell of the steps that changed their state; `done` are over."""
        moved, self._moved = self._moved, []
        for step in moved if self.tell is not None else ():
            if self.tell is not None and step.reported != step.row.status:
                step.reported = step.row.status
                self.tell(Progress(self.run, step.node.name, step.row.status, done, len(self._steps)))

    def wait(self, names: Sequence[str], done: int) -> None:
        """Tell of steps that have waited for their turn for a while."""
        if self.tell is None:
            return
        for name in names:
            self.tell(Progress(self.run, name, "pending", done, len(self._steps)))

    def finish(self, status: Ending, error: str) -> None:
        """End the run in the catalog."""
        with self.transaction() as (tx, _):
            self._draw(tx)
            if self._part is None:
                runs.finish(tx, self.run, status, error)
        if self._part is not None:  # what this transaction wrote counts
            with self.transaction() as (tx, _):
                pinning.leave(tx, self._part, list(self._steps), error)

    def abort(self, status: Ending, error: str) -> None:
        """End the run and what it still computed in the catalog; a transaction that came to nothing is forgotten."""
        self._lines.clear()
        with self.transaction() as (tx, known):
            for step in self._steps.values():
                memo.release(known, step.row.key, step.row.id)
            mine = None if self._part is None else [step.row.id for step in self._mine()]
            journal.abandon(tx, self.run, error, mine)
            runs.finish(tx, self.run, status, error)

    def result(
        self,
        status: Ending,
        error: str,
        outputs: dict[str, ValueRef],
        failure: tuple[Ongoing, Failure] | None,
    ) -> RunResult:
        """How it went; `outputs` are those that the pipeline returned."""
        steps = self._mine()
        rows = [step.row for step in steps]
        return RunResult(
            id=self.run,
            status=status,
            steps_executed=sum(row.status == "executed" for row in rows),
            steps_cached=sum(row.status == "cached" for row in rows),
            steps=[_step_result(step) for step in steps],
            outputs=outputs,
            model_versions=self.versions,
            cpu_seconds=sum(row.cpu_seconds for row in rows),
            as_of=self._plan.as_of,
            error=error,
            failure=None if failure is None else told(failure[0].row, failure[1]),
            pruned=failure is not None and failure[1].kind == PRUNED,
        )

    def _in_order(self) -> list[Ongoing]:
        return sorted(self._steps.values(), key=lambda step: step.place)

    def _mine(self) -> list[Ongoing]:
        """The steps that this is the record of: not those of other parts, nor those that were done before."""
        part = self._part
        found = self._in_order()
        return [
            step for step in found if part is None or (part.means(step.node.name) and step.node.name not in part.done)
        ]

    def _draw(self, tx: Tx) -> None:
        if self._grown:
            nodes = [step.node for step in self._in_order()]
            journal.write_graph(tx, self.run, replace(self._plan.graph, nodes=nodes))
        self._grown = False
        self._drawn = time.monotonic()


def _step_result(step: Ongoing) -> StepResult:
    row = step.row
    return StepResult(row.name, row.status, row.seconds, row.cpu_seconds, row.id, step.worth)
