"""Drives one run to its end: a state machine whose every step forward is one transaction."""

from __future__ import annotations

import concurrent.futures
import heapq
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.errors import PipelineError
from mulle.pipelines import checkpoint, effects, journal, memo
from mulle.pipelines.describing import described, plain, returned, text, told
from mulle.pipelines.failing import explain
from mulle.pipelines.frontier import Frontier
from mulle.pipelines.identity import Identities
from mulle.pipelines.keeper import Keeper
from mulle.pipelines.model import Ending, Options, Progress, RunResult, StepResult, StepRun, StepStatus, ValueRef
from mulle.pipelines.plan import Ongoing, Plan
from mulle.pipelines.retrying import pause
from mulle.pipelines.task import PRUNED, Failure, Outcome
from mulle.pipelines.values import there
from mulle.store.leases import leasing
from mulle.tracking import runs
from mulle.tracking.ingest import ingest
from mulle.tracking.process import HUNG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.values import Shelf

_POLL_SECONDS = 0.25
_LOOK_SECONDS = 0.5
_AT_ONCE = 500
"""So many steps at most go on in one transaction: other writers wait for its end."""
_BURY_SECONDS = 5.0


class _CancelledError(Exception):
    """Somebody asked for the run's end."""


class _GivenUpError(Exception):
    """Another process took this one for dead, and has ended the run."""


class Driver:
    """One run. Used once, by one thread.

    A step waits in the frontier for what it takes; when it has all of it, the memo is asked; what the memo does not
    know is launched in the order of the calls, as far as there is room.
    """

    def __init__(
        self, plan: Plan, *, catalog: Catalog, known: memo.Memo, shelf: Shelf, workspace: Path, executor: Executor
    ) -> None:
        self._catalog = catalog
        self._memo = known
        self._shelf = shelf
        self._workspace = workspace
        self._executor = executor
        self._plan = plan
        self._run = ""
        self._steps: dict[str, Ongoing] = {}
        self._outputs: dict[str, list[ValueRef]] = {}
        self._identities = Identities(plan, shelf.store, self._outputs)
        self._frontier = Frontier()
        self._unknown: list[tuple[int, str]] = []
        """Steps to be executed when there is room, the first call first."""
        self._effects: list[tuple[int, str]] = []
        self._running: dict[Future[Outcome], Ongoing] = {}
        self._waiting: dict[str, Ongoing] = {}
        """Steps whose key another run computes now, and steps that are to be tried again."""
        self._failure: tuple[Ongoing, Failure] | None = None
        self._versions: list[str] = []
        self._facts = 0
        self._over_count = 0
        self._turn = 0
        self._lines: dict[str, journal.Line] = {}
        """What the transaction that is open writes of steps, by name, when it ends."""
        self._moved: list[Ongoing] = []
        """Steps whose change of state has not been told yet."""
        self._keeper: Keeper | None = None
        self._buried_at = 0.0
        self._tell: Callable[[Progress], None] | None = None

    @leasing(lambda self, _: self._shelf.store)
    def drive(self, on_progress: Callable[[Progress], None] | None) -> RunResult:
        """Bring the run to its end and tell how it went."""
        self._tell = on_progress
        try:
            self._begin()
            while not self._over():
                self._perform_effects()
                self._settle(self._finished())
                self._check_cancelled()
            return self._end(self._ending())
        except _CancelledError:
            self._abort("cancelled", "cancelled")
            return self._result("cancelled", "cancelled")
        except _GivenUpError:
            self._cancel_running()
            raise PipelineError(
                f"the run {self._run} was given up while this process did not answer",
                cause=f"nothing was heard of it for {HUNG_SECONDS:g} s, as when it is stopped or the machine sleeps",
                cure="mulle run: finished steps are not repeated",
            ) from None
        except KeyboardInterrupt:
            self._abort("cancelled", "interrupted")
            raise
        except BaseException as error:
            self._abort("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            if self._keeper is not None:
                self._keeper.stop()
            memo.abandon(step.row.id for step in self._steps.values())

    # -- the turns of the machine ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for position, node in enumerate(self._plan.graph.nodes):
            row = StepRun(id=self._catalog.ids.new(), run="", name=node.name, kind=node.kind, position=position)
            step = self._steps[node.name] = Ongoing(node, row, [before.name for before in node.depends()])
            self._frontier.add(node.name, position, step.before)
            if not step.before:  # what others give is told in transactions; what it reads now is read before them
                self._identities.identify(step)
        self._shelf.store.flush()
        with self._transaction() as (tx, known):
            journal.bury(tx)
            self._run = runs.create(
                tx,
                kind="pipeline",
                pipeline=self._plan.graph.pipeline,
                experiment=self._plan.experiment,
                params=plain(self._plan.graph.params),
                as_of=self._plan.as_of,
                project_version=self._plan.project_version,
                beat=time.monotonic(),
            )
            journal.begin_graph(tx, self._run, self._plan.graph)
            for step in self._steps.values():
                step.row = msgspec.structs.replace(step.row, run=self._run)
            launched = self._advance(tx, known)
        self._keeper = Keeper(self._catalog, self._run, self._cancel_running)
        self._keeper.start()
        self._launch(launched)

    def _settle(self, finished: list[tuple[Ongoing, Outcome]]) -> None:
        """Record what came to an end and what may begin by it, in one transaction."""
        if not finished and not self._waiting and not self._frontier:
            return
        if any(outcome.facts for _, outcome in finished):
            self._ingest()
        with self._transaction() as (tx, known):
            for step, outcome in finished:
                self._record(tx, known, step, outcome)
            if self._waiting and time.monotonic() - self._buried_at > _BURY_SECONDS:
                journal.bury(tx)  # what we wait for may be computed by nobody any more
                self._buried_at = time.monotonic()
            launched = self._advance(tx, known)
        if finished:
            memo.landed()
        for step, outcome in finished:
            if outcome.checkpoints and outcome.failure is None:
                checkpoint.forget(self._shelf, step.row.key)
        self._launch(launched)

    def _advance(self, tx: Tx, known: Tx) -> list[Ongoing]:
        """Take what is ready as far as it goes without being executed; the steps that must be executed now."""
        if self._failure:
            return []
        self._turn += 1
        for _ in range(_AT_ONCE):
            name = self._frontier.take()
            if name is None:
                break
            self._meet(tx, known, self._steps[name])
        for step in self._waiting.values():
            heapq.heappush(self._unknown, (step.row.position, step.node.name))
        self._waiting.clear()
        return self._begun(tx, known)

    def _meet(self, tx: Tx, known: Tx, step: Ongoing) -> None:
        """A step has all that it takes: adopt it where the memo knows it, else have it executed when there is room."""
        if step.node.kind == "effect":
            heapq.heappush(self._effects, (step.row.position, step.node.name))
            return
        if not step.row.key:
            self._identities.identify(step)
        step.asked = self._turn
        if not self._adopted(tx, known, step):
            heapq.heappush(self._unknown, (step.row.position, step.node.name))

    def _begun(self, tx: Tx, known: Tx) -> list[Ongoing]:
        """The steps that begin now; what another run has come to know since the memo was asked is adopted instead."""
        begun: list[Ongoing] = []
        while self._unknown and len(self._running) + len(begun) < self._executor.capacity:
            step = self._steps[heapq.heappop(self._unknown)[1]]
            if step.asked != self._turn and self._adopted(tx, known, step):
                continue
            if step.not_before <= time.monotonic() and (
                not step.caches or memo.claim(known, step.row.key, step.row.id)
            ):
                started = {"status": "running", "started": tx.now, "attempts": step.row.attempts + 1}
                step.row = msgspec.structs.replace(step.row, **started)
                step.owner = step.row.id if step.row.attempts == 1 else f"{step.row.id}#{step.row.attempts}"
                self._write(step)
                begun.append(step)
            else:
                self._waiting[step.node.name] = step
        return begun

    def _launch(self, steps: list[Ongoing]) -> None:
        moved, self._moved = self._moved, []
        for step in moved:
            self._report(step)
        for step in steps:
            function = None if step.node.step is None else step.node.step.function
            task = self._identities.task(step, elsewhere=self._executor.elsewhere)
            self._running[self._executor.submit(task, function)] = step

    def _finished(self) -> list[tuple[Ongoing, Outcome]]:
        """The steps that came to an end; waits a moment where none has and nothing else is to be done."""
        if not self._running:
            if self._waiting and not self._frontier:
                memo.await_landing(_POLL_SECONDS)
            return []
        patience = 0.0 if self._frontier else _POLL_SECONDS if self._waiting else _LOOK_SECONDS
        done, _ = concurrent.futures.wait(self._running, patience, concurrent.futures.FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]

    def _over(self) -> bool:
        return not self._running and (self._failure is not None or self._over_count == len(self._steps))

    # -- single steps ------------------------------------------------------------------------------------------------

    def _ingest(self) -> None:
        """Take over what steps recorded, into the catalog of the memo: a fork adopts steps, it does not own them."""
        ingest(self._memo.catalog, self._workspace / "spool" / "metrics")

    def _record(self, tx: Tx, known: Tx, step: Ongoing, outcome: Outcome) -> None:
        self._facts += outcome.facts
        measured = {
            "ended": tx.now,
            "seconds": outcome.seconds,
            "cpu_seconds": step.row.cpu_seconds + outcome.cpu_seconds,
            "peak_memory": outcome.peak_memory,
            "samples": outcome.samples,
        }
        step.row = msgspec.structs.replace(step.row, **measured)
        if outcome.failure is not None:
            self._fail(known, step, outcome.failure)
            return
        entry = memo.Entry(outcome.outputs, step.row.id, step.owner, step.row.seconds, step.row.cpu_seconds)
        counts = entry
        if step.caches and self._identities.unchanged(step):
            counts = memo.commit(known, step.row.key, step.node.name, entry, self._identities.parts(step))
        else:
            memo.release(known, step.row.key, step.row.id)
        self._adopt(tx, step, counts, "executed")

    def _adopted(self, tx: Tx, known: Tx, step: Ongoing) -> bool:
        """Take a step's outputs from the memo, if it knows them and they are there; what is lost is forgotten."""
        entry = memo.find(known, step.row.key) if step.caches else None
        if entry is None:
            return False
        if not all(there(ref, self._shelf) for ref in entry.outputs):
            memo.forget(known, step.row.key)
            return False
        self._adopt(tx, step, entry, "cached")
        return True

    def _adopt(self, tx: Tx, step: Ongoing, entry: memo.Entry, status: StepStatus) -> None:
        """The step is over: its outputs are those of the entry."""
        self._outputs[step.node.name] = entry.outputs
        step.worth = entry.cpu_seconds
        outputs = msgspec.to_builtins(entry.outputs)
        state = {"status": status, "origin": entry.step_run, "outputs": outputs, "ended": tx.now}
        step.row = msgspec.structs.replace(step.row, started=step.row.started or tx.now, **state)
        step.owner = entry.owner
        self._leave(step, self._identities.reads(step))

    def _leave(self, step: Ongoing, reads: list[tuple[str, str]]) -> None:
        """The step is over; those that took nothing else that is missing are ready by it."""
        self._write(step, reads, [self._steps[name].row.id for name in step.before])
        self._over_count += 1
        self._frontier.over(step.node.name)

    def _write(self, step: Ongoing, reads: list[tuple[str, str]] | None = None, uses: list[str] | None = None) -> None:
        self._lines[step.node.name] = journal.Line(step.row, step.owner, reads or [], uses or [])
        self._moved.append(step)

    def _fail(self, known: Tx, step: Ongoing, failure: Failure) -> None:
        options = Options() if step.node.step is None else step.node.step.options
        memo.release(known, step.row.key, step.row.id)
        step.preempted += failure.kind == "Preempted"
        tried = step.row.attempts - step.preempted
        if failure.kind == "Preempted" or (tried <= options.retries and not failure.final):
            wait = 0.0 if failure.kind == "Preempted" else pause(options.backoff, tried, step.row.id)
            step.not_before = time.monotonic() + wait
            step.row = msgspec.structs.replace(step.row, status="pending", error=failure.message)
            self._waiting[step.node.name] = step
        else:
            status: StepStatus = "cancelled" if failure.kind == PRUNED else "failed"
            step.row = msgspec.structs.replace(step.row, status=status, error=text(failure))
            self._failure = self._failure or (step, failure)
            self._over_count += 1
        self._write(step)

    # -- effects -----------------------------------------------------------------------------------------------------

    def _perform_effects(self) -> None:
        while self._effects and not self._failure:
            step = self._steps[heapq.heappop(self._effects)[1]]
            self._perform_effect(step)
            self._launch([])

    def _perform_effect(self, step: Ongoing) -> None:
        began = time.perf_counter()
        ids = {name: self._steps[name].row.origin or self._steps[name].row.id for name in step.before}
        context = effects.Context(self._outputs, ids, self._plan.heads, self._catalog, self._shelf, self._run)
        try:
            done = effects.begin(step.node, context)
        except Exception as error:  # noqa: BLE001 - a failure of the step, told as such
            with self._transaction() as (_, known):
                self._fail(known, step, explain(error))
            return
        with self._transaction() as (tx, _):
            version, new = done(tx)
            self._versions += [version] if step.node.effect == "register" else []
            self._outputs[step.node.name] = []
            status = "executed" if new else "cached"
            state = {"status": status, "started": tx.now, "ended": tx.now, "origin": step.row.id}
            inputs = {name: described(value) for name, value in step.node.arguments.items()}
            seconds = time.perf_counter() - began
            step.row = msgspec.structs.replace(step.row, **state, inputs=inputs, outputs=[version], seconds=seconds)
            step.owner = step.row.id
            self._leave(step, [])

    # -- the end -----------------------------------------------------------------------------------------------------

    def _check_cancelled(self) -> None:
        if self._keeper is not None and self._keeper.cancelled:
            raise _CancelledError

    def _cancel_running(self) -> None:
        for step in list(self._steps.values()):
            if step.row.status == "running":
                self._executor.cancel(step.row.id)

    def _ending(self) -> Ending:
        if self._failure is None:
            return "succeeded"
        return "cancelled" if self._failure[1].kind == PRUNED else "failed"

    def _end(self, status: Ending) -> RunResult:
        error = ""
        if status == "cancelled" and self._failure is not None:
            error = self._failure[1].message
        elif self._failure is not None:
            step, failure = self._failure
            error = f"the step '{step.node.name}' failed: {text(failure)}"
        if self._facts:
            self._ingest()
        with self._transaction() as (tx, _):
            runs.finish(tx, self._run, status, error)
        return self._result(status, error)

    def _abort(self, status: Ending, text: str) -> None:
        """End what still runs and say so in the catalog, as far as that can be done."""
        self._cancel_running()
        if not self._run:
            return
        with self._transaction() as (tx, known):
            self._lines.clear()  # of a transaction that came to nothing
            for step in self._steps.values():
                memo.release(known, step.row.key, step.row.id)
            journal.abandon(tx, self._run, text)
            runs.finish(tx, self._run, status, text)

    def _result(self, status: Ending, error: str) -> RunResult:
        rows = [step.row for step in self._steps.values()]
        return RunResult(
            id=self._run,
            status=status,
            steps_executed=sum(row.status == "executed" for row in rows),
            steps_cached=sum(row.status == "cached" for row in rows),
            steps=[_step_result(step) for step in self._steps.values()],
            outputs=returned(self._plan.graph.returned, self._outputs) if status == "succeeded" else {},
            model_versions=self._versions,
            cpu_seconds=sum(row.cpu_seconds for row in rows),
            as_of=self._plan.as_of,
            error=error,
            failure=None if self._failure is None else told(self._failure[0].row, self._failure[1]),
            pruned=self._failure is not None and self._failure[1].kind == PRUNED,
        )

    def _report(self, step: Ongoing) -> None:
        if self._tell is None or step.reported == step.row.status:
            return
        step.reported = step.row.status
        self._tell(Progress(self._run, step.node.name, step.row.status, self._over_count, len(self._steps)))

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Tx, Tx]]:
        """A transaction on the catalog and one on the memo, which are the same where the memo lies in the catalog."""
        with self._catalog.write() as tx, self._memo.within(self._catalog, tx) as known:
            if self._keeper is not None and not self._keeper.check(tx):
                raise _GivenUpError
            yield tx, known
            journal.write(tx, self._run, self._lines.values())
        self._lines.clear()


def _step_result(step: Ongoing) -> StepResult:
    row = step.row
    return StepResult(row.name, row.status, row.seconds, row.cpu_seconds, row.id, step.worth)
