"""Drives one run to its end: a state machine whose every step forward is one transaction."""

from __future__ import annotations

import concurrent.futures
import heapq
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.errors import MulleError, PipelineError
from mulle.pipelines import checkpoint, journal, memo, pinning, values
from mulle.pipelines.admitting import LOOK_SECONDS, Gate
from mulle.pipelines.describing import described, returned, text
from mulle.pipelines.failing import explain
from mulle.pipelines.growing import Growing
from mulle.pipelines.identity import Identities
from mulle.pipelines.keeper import Keeper
from mulle.pipelines.mapping import Unfolded
from mulle.pipelines.model import Ending, Options, Progress, RunResult, StepStatus, ValueRef
from mulle.pipelines.plan import Ongoing, Plan
from mulle.pipelines.record import GivenUpError, Record
from mulle.pipelines.retrying import pause
from mulle.pipelines.task import MOVED, PRUNED, Failure, Outcome
from mulle.resources.process import HUNG_SECONDS
from mulle.store.leases import leasing
from mulle.tracking.ingest import ingest

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.pinning import Part
    from mulle.pipelines.values import Shelf
    from mulle.resources.admission import Admission

_POLL_SECONDS = 0.25
_LOOK_SECONDS = 0.5
_GATHER_SECONDS = 0.01
_BURY_SECONDS = 5.0
_MOST_LOST = 5
"""A step that has lost so many nodes may be what kills them."""
_OUTSIDE = {"effect", "map", "reduce"}
_UNFOLDING = {"when", "map", "reduce"}
_AT_ONCE = 500
"""So many steps at most go on in one transaction: other writers wait for its end."""


class _CancelledError(Exception):
    """Somebody asked for the run's end."""


class Driver:
    """One run. Used once, by one thread.

    A step waits in the frontier for what it takes; when it has all of it, the memo is asked; what the memo does not
    know is launched in the order of the calls, as far as there is room.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        catalog: Catalog,
        known: memo.Memo,
        shelf: Shelf,
        workspace: Path,
        executor: Executor,
        admission: Admission,
        part: Part | None = None,
    ) -> None:
        """Wire a driver; with `part`, it does that part of a run that others drive too, as far as it goes."""
        self._catalog = catalog
        self._memo = known
        self._shelf = shelf
        self._workspace = workspace
        self._executor = executor
        self._gate = Gate(admission, known.catalog, executor, plan.graph.pipeline)
        self._plan = plan
        self._part = part
        self._left_out: list[str] = []
        """Steps that are ready, but of no part of ours."""
        self._outputs: dict[str, list[ValueRef]] = {}
        self._growing = Growing(plan, shelf, self._outputs, catalog.ids.new)
        self._steps, self._frontier = self._growing.steps, self._growing.frontier
        self._decisions = self._growing.decisions
        self._record = Record(plan, self._steps, catalog, known, part)
        self._identities = Identities(plan, shelf.store, self._outputs)
        self._unknown: list[tuple[int, str, str]] = []
        """Steps to be executed when there is room, the first call first."""
        self._outside: list[tuple[int, str, str]] = []
        """Effects, and nodes that go over what a step gave: they are worked on outside of transactions."""
        self._running: dict[Future[Outcome], Ongoing] = {}
        self._waiting: dict[str, Ongoing] = {}
        """Steps whose key another run computes now, and steps that are to be tried again."""
        self._failure: tuple[Ongoing, Failure] | None = None
        self._facts = 0
        self._over_count = 0
        self._turn = 0
        self._keeper: Keeper | None = None
        self._buried_at = 0.0

    @leasing(lambda self, _: self._shelf.store)
    def drive(self, on_progress: Callable[[Progress], None] | None) -> RunResult:
        """Bring the run to its end and tell how it went."""
        self._record.tell = on_progress
        try:
            self._begin()
            while not self._over():
                self._work_outside()
                self._settle(self._finished())
                self._check_cancelled()
            return self._end(self._ending())
        except _CancelledError:
            self._abort("cancelled", "cancelled")
            return self._result("cancelled", "cancelled")
        except GivenUpError:
            self._cancel_running()
            raise PipelineError(
                f"the run {self._record.run} was given up while this process did not answer",
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
            self._gate.close()

    # -- the turns of the machine ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._gate.check(self._plan.graph.nodes)
        for position, node in enumerate(self._plan.graph.nodes):
            step = self._growing.enter(node, position)
            if not step.before and self._mine(step):
                self._identities.identify(step)  # what it reads is read here, and not in a transaction
        self._shelf.store.flush()
        with self._record.transaction() as (tx, known):
            journal.bury(tx)
            self._record.begin(tx)
            self._growing.run = self._record.run
            launched = self._advance(tx, known)
        self._keeper = self._record.keeper = Keeper(
            self._catalog, self._record.run, self._cancel_running, leased=self._part is None
        )
        self._keeper.start()
        self._launch(launched)

    def _settle(self, finished: list[tuple[Ongoing, Outcome]]) -> None:
        """Record what came to an end and what may begin by it, in one transaction."""
        if not finished and not self._waiting and not self._frontier:
            return
        if any(outcome.facts for _, outcome in finished):
            self._ingest()
        with self._record.transaction() as (tx, known):
            for step, outcome in finished:
                self._ended(tx, known, step, outcome)
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
            heapq.heappush(self._unknown, (*step.place, step.node.name))
        self._waiting.clear()
        return self._begun(tx, known)

    def _meet(self, tx: Tx, known: Tx, step: Ongoing) -> None:
        """A step has all that it takes: adopt it where the memo knows it, else have it executed when there is room."""
        if self._part is not None and self._left(self._part, step):
            return
        try:
            skipped = self._decisions.skips(step.node)
            chosen = None if skipped or step.node.kind != "when" else self._decisions.chosen(step.node)
        except MulleError as error:
            self._fail(known, step, explain(error))
            return
        if skipped:
            self._skip(tx, step)
        elif chosen is not None:
            self._unfold(step, chosen)
        elif step.node.kind in _OUTSIDE:
            heapq.heappush(self._outside, (*step.place, step.node.name))
        elif not self._known(tx, known, step):
            heapq.heappush(self._unknown, (*step.place, step.node.name))

    def _left(self, part: Part, step: Ongoing) -> bool:
        """Leave a step that is none of this part: what others have done of it is taken over."""
        row = part.done.get(step.node.name)
        if row is None:
            left = not self._mine(step) and step.node.kind not in _UNFOLDING
            self._left_out += [step.node.name] if left else []
            return left
        step.row = row
        if row.status == "skipped":
            self._decisions.skip(step.node)
        else:
            self._outputs[step.node.name] = pinning.outputs(row)
        self._over_count += 1
        self._frontier.over(step.node.name)
        return True

    def _mine(self, step: Ongoing) -> bool:
        return self._part is None or self._part.means(step.node.name)

    def _known(self, tx: Tx, known: Tx, step: Ongoing) -> bool:
        """Find what the step is known by, and adopt it where the memo knows it."""
        if not step.row.key:
            self._identities.identify(step)
        step.asked = self._turn
        return self._adopted(tx, known, step)

    def _begun(self, tx: Tx, known: Tx) -> list[Ongoing]:
        """The steps that begin now; what another run has come to know since the memo was asked is adopted instead."""
        begun: list[Ongoing] = []
        room = self._executor.capacity + self._executor.ahead - len(self._running)
        while self._unknown and len(begun) < room:
            step = self._steps[heapq.heappop(self._unknown)[-1]]
            if step.asked != self._turn and self._adopted(tx, known, step):
                self._gate.withdraw(known, step)
                continue
            if self._gate.begins(known, step):
                started = {"status": "running", "started": tx.now, "attempts": step.row.attempts + 1}
                step.row = msgspec.structs.replace(step.row, **started)
                step.owner = step.row.id if step.row.attempts == 1 else f"{step.row.id}#{step.row.attempts}"
                self._record.write(step)
                begun.append(step)
            else:
                self._waiting[step.node.name] = step
                if self._gate.full:
                    break
        return begun

    def _launch(self, steps: list[Ongoing]) -> None:
        self._record.report(self._over_count)
        self._record.wait(self._gate.overdue(), self._over_count)
        for step in steps:
            function = None if step.node.step is None else step.node.step.function
            task = self._gate.task(step, self._identities.task(step, elsewhere=self._executor.elsewhere))
            self._running[self._executor.submit(task, function)] = step

    def _finished(self) -> list[tuple[Ongoing, Outcome]]:
        """The steps that came to an end; waits a moment where none has and nothing else is to be done."""
        if not self._running:
            if self._waiting and not self._frontier:
                memo.await_landing(LOOK_SECONDS if self._gate.waits else _POLL_SECONDS)
            return []
        patience = 0.0 if self._frontier else _POLL_SECONDS if self._waiting else _LOOK_SECONDS
        patience = min(patience, LOOK_SECONDS) if self._gate.waits else patience
        done, _ = concurrent.futures.wait(self._running, patience, concurrent.futures.FIRST_COMPLETED)
        if done and self._executor.ahead and len(done) < len(self._running):  # others come with it: one transaction
            done, _ = concurrent.futures.wait(self._running, _GATHER_SECONDS)
        return [(self._running.pop(future), future.result()) for future in done]

    def _over(self) -> bool:
        if self._running:
            return False
        if self._part is not None and not (self._unknown or self._waiting or self._outside or self._frontier):
            return True
        return self._failure is not None or self._over_count == len(self._steps)

    # -- single steps ------------------------------------------------------------------------------------------------

    def _ingest(self) -> None:
        """Take over what steps recorded, into the catalog of the memo: a fork adopts steps, it does not own them."""
        ingest(self._memo.catalog, self._workspace / "spool" / "metrics")

    def _ended(self, tx: Tx, known: Tx, step: Ongoing, outcome: Outcome) -> None:
        self._facts += outcome.facts
        measured = {
            "ended": tx.now,
            "seconds": outcome.seconds,
            "cpu_seconds": step.row.cpu_seconds + outcome.cpu_seconds,
            "peak_memory": outcome.peak_memory,
            "samples": outcome.samples,
        }
        step.row = msgspec.structs.replace(step.row, **measured)
        self._gate.ended(known, step, outcome)
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
        if not all(values.there(ref, self._shelf) for ref in entry.outputs):
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
        self._record.write(step, reads, [self._steps[name].row.id for name in step.before])
        self._over_count += 1
        self._frontier.over(step.node.name)

    def _skip(self, tx: Tx, step: Ongoing) -> None:
        """The step belongs to what is not needed: a branch that was not taken, a round after the last."""
        self._decisions.skip(step.node)
        step.row = msgspec.structs.replace(step.row, status="skipped", ended=tx.now)
        self._leave(step, [])

    def _unfold(self, step: Ongoing, made: Unfolded) -> None:
        self._growing.unfold(step, made)
        self._record.grew()

    def _fail(self, known: Tx, step: Ongoing, failure: Failure) -> None:
        options = Options() if step.node.step is None or self._part else step.node.step.options
        memo.release(known, step.row.key, step.row.id)
        moved = failure.kind in MOVED and step.lost < _MOST_LOST
        step.preempted += moved
        step.lost += failure.kind == "NodeLost"
        tried = step.row.attempts - step.preempted
        if moved or (tried <= options.retries and not failure.final):
            wait = 0.0 if moved else pause(options.backoff, tried, step.row.id)
            step.not_before = time.monotonic() + wait
            step.row = msgspec.structs.replace(step.row, status="pending", error=failure.message)
            self._waiting[step.node.name] = step
        else:
            status: StepStatus = "cancelled" if failure.kind == PRUNED else "failed"
            step.row = msgspec.structs.replace(step.row, status=status, error=text(failure))
            self._failure = self._failure or (step, failure)
            self._over_count += 1
        self._record.write(step)

    # -- outside of transactions: effects, lists ---------------------------------------------------------------------

    def _work_outside(self) -> None:
        while self._outside and not self._failure:
            step = self._steps[heapq.heappop(self._outside)[-1]]
            if step.node.kind == "effect":
                self._perform_effect(step)
            else:
                self._go_over(step)
            self._launch([])

    def _go_over(self, step: Ongoing) -> None:
        """Put nodes for the items of a list in the place of the one that goes over it."""
        try:
            made = self._growing.items(step)
            self._shelf.store.flush()
        except Exception as error:  # noqa: BLE001 - a failure of the step, told as such
            with self._record.transaction() as (_, known):
                self._fail(known, step, explain(error))
            return
        self._unfold(step, made)

    def _perform_effect(self, step: Ongoing) -> None:
        from mulle.pipelines import effects  # noqa: PLC0415 - start-up time: only runs with effects load the registry

        began = time.perf_counter()
        ids = {name: self._steps[name].row.origin or self._steps[name].row.id for name in step.before}
        context = effects.Context(self._outputs, ids, self._plan.heads, self._catalog, self._shelf, self._record.run)
        try:
            done = effects.begin(step.node, context)
        except Exception as error:  # noqa: BLE001 - a failure of the step, told as such
            with self._record.transaction() as (_, known):
                self._fail(known, step, explain(error))
            return
        with self._record.transaction() as (tx, _):
            version, new = done(tx)
            self._record.versions += [version] if step.node.effect == "register" else []
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
        self._gate.look(self._record.run)

    def _cancel_running(self) -> None:
        for step in list(self._steps.values()):
            if step.row.status == "running":
                self._executor.cancel(step.row.id)

    def _look_again(self, part: Part) -> None:
        """Take over what others have done of the run meanwhile: who is the last ends it."""
        left = -1
        while left != self._over_count:
            left = self._over_count
            with self._record.transaction() as (tx, known):
                self._part = replace(part, done=pinning.done(tx, part.pin))
                again, self._left_out = self._left_out, []
                for name in again:
                    self._meet(tx, known, self._steps[name])
                self._advance(tx, known)
            self._work_outside()
        part.check(step.node for step in self._steps.values() if step.row.status not in pinning.OVER)

    def names(self) -> list[str]:
        """The names of the steps as far as they are known, in order."""
        return [step.node.name for step in self._growing.in_order()]

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
        if self._part is not None and not error:
            self._look_again(self._part)
        self._record.finish(status, error)
        return self._result(status, error)

    def _abort(self, status: Ending, text: str) -> None:
        """End what still runs and say so in the catalog, as far as that can be done."""
        self._cancel_running()
        if self._record.run:
            self._record.abort(status, text)

    def _result(self, status: Ending, error: str) -> RunResult:
        given = self._plan.graph.returned if status == "succeeded" and self._part is None else None
        outputs = returned(self._growing.returned(given), self._outputs)
        return self._record.result(status, error, outputs, self._failure)
