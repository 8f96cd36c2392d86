"""The gate between the steps of a run and the machine: what steps ask for, in the words of resources."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from mulle.errors import MulleError
from mulle.pipelines import memo
from mulle.pipelines.model import Options
from mulle.resources.admission import GAVE_WAY, Admission, Ask, Used
from mulle.verbs import current

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.graph import Node
    from mulle.pipelines.plan import Ongoing
    from mulle.pipelines.task import Outcome, Task

LOOK_SECONDS = 0.05
"""How often whoever waits for room looks whether another process gave it."""
_YIELD_SECONDS = 0.5
_TELL_SECONDS = 1.0
_ASKING = 8
"""So many steps of a run at most stand in the queue; the others come after them."""
_ENDS = {"": "done", "Preempted": GAVE_WAY, "NodeLost": "gave way", "Cancelled": "cancelled"}
_NO_OPTIONS = Options()


class Gate:
    """Lets the steps of one run begin when there is room for them and it is their turn.

    Claims stand in the memo's catalog: a fork of the catalog runs on the same machine.
    """

    def __init__(self, admission: Admission, catalog: Catalog, executor: Executor, pipeline: str) -> None:
        self._admission = admission
        self._catalog = catalog
        self._executor = executor
        self._pipeline = pipeline
        self._looked_at = 0.0
        self._since: dict[str, float] = {}
        """Since when the steps of these names wait for their turn, until it was told."""

    @property
    def waits(self) -> bool:
        """Whether a step stands in the queue."""
        return bool(self._admission.waiting)

    @property
    def full(self) -> bool:
        """Whether as many steps stand in the queue as may."""
        return len(self._admission.waiting) >= _ASKING

    def check(self, nodes: Iterable[Node]) -> None:
        """Refuse before anything runs what could never run.

        Raises:
            ResourceError: a step asks for more than its pool has, or than a quota allows.
        """
        seen: set[Options] = set()
        for node in nodes:
            options = _NO_OPTIONS if node.step is None else node.step.options
            if node.kind != "effect" and options not in seen:
                seen.add(options)
                self._admission.check(self._ask(node.name, options, "", ""))

    def begins(self, known: Tx, step: Ongoing) -> bool:
        """Whether the step begins now: nobody else computes it, there is room for it, and it is its turn."""
        if step.not_before > time.monotonic():
            return False
        asked = False

        def admitted() -> bool:
            nonlocal asked
            asked = True
            options = _NO_OPTIONS if step.node.step is None else step.node.step.options
            step.grant = self._admission.request(known, self._ask(step.node.name, options, step.row.id, step.row.run))
            return step.grant is not None

        begins = memo.claim(known, step.row.key, step.row.id, admitted) if step.caches else admitted()
        if not asked:
            self._admission.withdraw(known, step.row.id)
        elif not begins:
            self._since.setdefault(step.node.name, time.monotonic())
        return begins

    def overdue(self) -> list[str]:
        """The steps that have waited for their turn so long that somebody should hear of it; each is named once."""
        if not self._since:
            return []
        late = time.monotonic() - _TELL_SECONDS
        found = [name for name, since in self._since.items() if 0 < since < late]
        self._since.update(dict.fromkeys(found, 0.0))
        return found

    def task(self, step: Ongoing, task: Task) -> Task:
        """The task with what its step was granted."""
        grant = step.grant
        if grant is None:
            return task
        gang = 1 if step.node.step is None else step.node.step.options.gang
        visible, cpus = self._admission.visible(grant, gang), max(1, int(grant.cpus))
        if gang == 1 and not visible and not grant.cores and (cpus, grant.memory) == (task.cpus, task.memory):
            return task
        given = {"cpus": cpus, "memory": grant.memory, "gang": gang, "cores": grant.cores, "visible": visible}
        return msgspec.structs.replace(task, **given)

    def withdraw(self, known: Tx, step: Ongoing) -> None:
        """The step is not to be executed after all."""
        self._admission.withdraw(known, step.row.id)

    def ended(self, known: Tx, step: Ongoing, outcome: Outcome) -> None:
        """The step is over, or gave way: what it held is free."""
        kind = "" if outcome.failure is None else outcome.failure.kind
        busy = [sample.gpus for sample in outcome.samples if sample.gpus is not None]
        gpus = sum(busy) / len(busy) if busy else 0.0
        used = Used(_ENDS.get(kind, "failed"), outcome.seconds, outcome.cpu_seconds, outcome.peak_memory, gpus)
        self._admission.release(known, step.row.id, used)

    def look(self, run: str) -> None:
        """End the steps whose room is wanted by more important ones."""
        if not self._executor.elsewhere or time.monotonic() - self._looked_at < _YIELD_SECONDS:
            return
        self._looked_at = time.monotonic()
        with self._catalog.read() as tx:
            yielding = self._admission.yielding(tx, run)
        for step_run in yielding:
            self._executor.preempt(step_run)

    def close(self) -> None:
        """The run is over, however it ended: nothing of it waits or holds any more.

        Where the catalog cannot be told, whoever looks next in this process tells it, or finds this process gone.
        """
        if self._admission.busy:
            with contextlib.suppress(MulleError), self._catalog.write() as tx:
                self._admission.close(tx)
        self._admission.abandon()

    def _ask(self, name: str, options: Options, step_run: str, run: str) -> Ask:
        return Ask(
            step_run=step_run,
            run=run,
            step=name,
            pipeline=self._pipeline,
            user=current().actor,
            cpus=options.cpus,
            memory=options.memory,
            gpus=options.gpus,
            gang=options.gang,
            yields=self._executor.elsewhere,
        )
