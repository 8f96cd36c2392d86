"""Drives one run to its end: a state machine whose every step forward is one transaction."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.pipelines import effects, journal, keys, memo
from mulle.pipelines.describing import described, plain, returned, text, told, versions_in
from mulle.pipelines.graph import node_of
from mulle.pipelines.model import Ending, Progress, RunResult, StepResult, StepRun, StepStatus, ValueRef
from mulle.pipelines.perform import explain
from mulle.pipelines.plan import Ongoing, Plan
from mulle.pipelines.task import Failure, Outcome, Partition, Task
from mulle.store.leases import leasing
from mulle.tracking import runs
from mulle.tracking.ingest import ingest
from mulle.types import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.graph import Node
    from mulle.pipelines.values import Shelf

_POLL_SECONDS = 0.25
_LOOK_SECONDS = 0.5
_BACKOFF_SECONDS = 0.2
_LONGEST_BACKOFF = 30.0


class _CancelledError(Exception):
    """Somebody asked for the run's end."""


class Driver:
    """One run. Used once, by one thread."""

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
        self._running: dict[Future[Outcome], Ongoing] = {}
        self._waiting: dict[str, Ongoing] = {}
        """Steps whose key another run computes now, and steps that are to be tried again."""
        self._failure: tuple[Ongoing, Failure] | None = None
        self._versions: list[str] = []
        self._facts = 0
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
            return self._end("failed" if self._failure else "succeeded")
        except _CancelledError:
            self._abort("cancelled", "cancelled")
            return self._result("cancelled", "cancelled")
        except KeyboardInterrupt:
            self._abort("cancelled", "interrupted")
            raise
        except BaseException as error:
            self._abort("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            memo.abandon(step.row.id for step in self._steps.values())

    # -- the turns of the machine ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for position, node in enumerate(self._plan.graph.nodes):
            row = StepRun(id=self._catalog.ids.new(), run="", name=node.name, kind=node.kind, position=position)
            self._steps[node.name] = Ongoing(node, row, [before.name for before in node.depends()])
            if not self._steps[node.name].before:
                self._identify(self._steps[node.name])
        self._shelf.store.flush()
        with self._transaction() as (tx, known):
            journal.bury(tx)
            self._run = runs.create(
                tx,
                kind="pipeline",
                pipeline=self._plan.graph.pipeline,
                params=plain(self._plan.graph.params),
                as_of=self._plan.as_of,
                project_version=self._plan.project_version,
            )
            journal.begin_graph(tx, self._run, self._plan.graph)
            for step in self._steps.values():
                step.row = msgspec.structs.replace(step.row, run=self._run)
            launched = self._advance(tx, known)
        self._launch(launched)

    def _settle(self, finished: list[tuple[Ongoing, Outcome]]) -> None:
        """Record what came to an end and what may begin by it, in one transaction."""
        if not finished and not self._waiting:
            return
        if any(outcome.facts for _, outcome in finished):
            self._ingest()
        with self._transaction() as (tx, known):
            for step, outcome in finished:
                self._record(tx, known, step, outcome)
            launched = self._advance(tx, known)
        if finished:
            memo.landed()
        self._launch(launched)

    def _advance(self, tx: Tx, known: Tx) -> list[Ongoing]:
        """Adopt what the memo knows; the steps that must be executed now. In call order, so one pass finds all."""
        launched: list[Ongoing] = []
        for step in self._steps.values():
            if step.row.status != "pending" or not self._ready(step) or step.node.kind == "effect" or self._failure:
                continue
            if not step.row.key:
                self._identify(step)
            room = len(self._running) + len(launched) < self._executor.capacity
            if step.asked and not room:
                continue
            cached = self._caches(step) and memo.find(known, step.row.key)
            step.asked = True
            if cached:
                self._adopt(tx, step, cached, "cached")
            elif not room:
                continue
            elif step.not_before <= time.monotonic() and (
                not self._caches(step) or memo.claim(known, step.row.key, step.row.id)
            ):
                started = {"status": "running", "started": tx.now, "attempts": step.row.attempts + 1}
                step.row = msgspec.structs.replace(step.row, **started)
                step.owner = step.row.id if step.row.attempts == 1 else f"{step.row.id}#{step.row.attempts}"
                journal.write(tx, step.row, step.owner, [], [])
                launched.append(step)
            if step.row.status == "pending":
                self._waiting[step.node.name] = step
            else:
                self._waiting.pop(step.node.name, None)
        return launched

    def _launch(self, steps: list[Ongoing]) -> None:
        for step in self._steps.values():
            self._report(step)
        for step in steps:
            function = None if step.node.step is None else step.node.step.function
            self._running[self._executor.submit(self._task(step), function)] = step

    def _finished(self) -> list[tuple[Ongoing, Outcome]]:
        """The steps that came to an end; waits a moment where none has."""
        if not self._running:
            if self._waiting:
                memo.await_landing(_POLL_SECONDS)
            return []
        patience = _POLL_SECONDS if self._waiting else _LOOK_SECONDS
        done, _ = concurrent.futures.wait(self._running, patience, concurrent.futures.FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]

    def _over(self) -> bool:
        if self._running:
            return False
        open_steps = [step for step in self._steps.values() if step.row.status in {"pending", "running"}]
        return not open_steps or self._failure is not None

    # -- single steps ------------------------------------------------------------------------------------------------

    def _ready(self, step: Ongoing) -> bool:
        return all(name in self._outputs for name in step.before)

    def _ingest(self) -> None:
        """Take over what steps recorded, into the catalog of the memo: a fork adopts steps, it does not own them."""
        ingest(self._memo.catalog, self._workspace / "spool" / "metrics")

    def _caches(self, step: Ongoing) -> bool:
        return step.node.step is None or step.node.step.options.cache

    def _identify(self, step: Ongoing) -> None:
        """Find the step's arguments and from them its memo key."""
        node, plan = step.node, self._plan
        if node.kind == "effect":
            return
        if node.kind == "training_set":
            key = self._training_key(node)
        else:
            result = lambda promise: keys.producer(promise, self._outputs)  # noqa: E731 - passed on, not named
            step.arguments = {name: plan.inputs.argument(value, result) for name, value in node.arguments.items()}
            if node.kind == "union":
                key = keys.union_key(step.arguments, plan.inputs)
            else:
                key = keys.step_key(node, step.arguments, plan.inputs, plan.codes)
        inputs = {name: described(value) for name, value in node.arguments.items()}
        step.row = msgspec.structs.replace(step.row, key=key, inputs=inputs)

    def _training_key(self, node: Node) -> Digest:
        from mulle import features  # noqa: PLC0415 - start-up time: only pipelines with training sets load polars

        reading = self._plan.readings[node.name]
        dataset, views = node.arguments["dataset"], node.arguments["views"]
        spec = features.TrainingSpec(
            dataset=dataset,
            manifest=Digest(reading.manifests[dataset.name]),
            views=tuple((view, Digest(reading.manifests[view.source.name])) for view in views),
            window=timedelta(seconds=reading.window),
            as_of=reading.as_of,
        )
        return keys.training_key(spec, features.training_inputs(self._shelf.store, spec), self._plan.codes)

    def _task(self, step: Ongoing) -> Task:
        node = step.node
        task = Task(
            step_run=step.row.id,
            owner=step.owner,
            name=node.name,
            module="",
            attribute="",
            arguments=step.arguments,
            outputs=node.outputs,
            reading=self._plan.readings.get(node.name),
            union=[node_of(promise).name for _, promise in node.inputs()] if node.kind == "union" else None,
        )
        if node.step is None:
            return task
        options = node.step.options
        module, attribute = node.step.reference() if self._executor.elsewhere else ("", "")
        return msgspec.structs.replace(
            task, module=module, attribute=attribute, cpus=options.cpus, memory=options.memory, timeout=options.timeout
        )

    def _record(self, tx: Tx, known: Tx, step: Ongoing, outcome: Outcome) -> None:
        self._facts += outcome.facts
        measured = {
            "ended": tx.now,
            "seconds": outcome.seconds,
            "cpu_seconds": step.row.cpu_seconds + outcome.cpu_seconds,
            "peak_memory": outcome.peak_memory,
        }
        step.row = msgspec.structs.replace(step.row, **measured)
        if outcome.failure is not None:
            self._fail(tx, known, step, outcome.failure)
            return
        code = {name: str(digest) for name, digest in self._code(step).items()}
        entry = memo.Entry(outcome.outputs, step.row.id, step.owner, step.row.seconds, step.row.cpu_seconds, code)
        counts = entry
        if self._caches(step) and self._unchanged(step):
            counts = memo.commit(known, step.row.key, step.node.name, entry)
        else:
            memo.release(known, step.row.key, step.row.id)
        self._adopt(tx, step, counts, "executed")

    def _unchanged(self, step: Ongoing) -> bool:
        """Whether the code is still what the key was made of; if not, it is not known which of the two has run."""
        return step.node.step is None or self._plan.codes.of(step.node.step.function).holds()

    def _code(self, step: Ongoing) -> Mapping[str, str]:
        return {} if step.node.step is None else self._plan.codes.of(step.node.step.function).parts

    def _adopt(self, tx: Tx, step: Ongoing, entry: memo.Entry, status: StepStatus) -> None:
        """The step is over: its outputs are those of the entry."""
        self._outputs[step.node.name] = entry.outputs
        step.worth = entry.cpu_seconds
        outputs = msgspec.to_builtins(entry.outputs)
        state = {"status": status, "origin": entry.step_run, "outputs": outputs, "ended": tx.now}
        step.row = msgspec.structs.replace(step.row, started=step.row.started or tx.now, **state)
        step.owner = entry.owner
        journal.write(tx, step.row, entry.owner, self._reads(step), self._uses(step.node))

    def _reads(self, step: Ongoing) -> list[tuple[str, str]]:
        """The versions that it read, each with the partition that it read of it, or ""."""
        if step.node.kind == "training_set":
            return [(self._plan.heads[name].ref, "") for name in self._plan.readings[step.node.name].manifests]
        found = (each for argument in step.arguments.values() for each in versions_in(argument))
        return [(each.name, each.key if isinstance(each, Partition) else "") for each in found]

    def _uses(self, node: Node) -> list[str]:
        return [self._steps[name].row.id for name in self._steps[node.name].before]

    def _fail(self, tx: Tx, known: Tx, step: Ongoing, failure: Failure) -> None:
        retries = 0 if step.node.step is None else step.node.step.options.retries
        memo.release(known, step.row.key, step.row.id)
        if step.row.attempts <= retries and not failure.final:
            delay = min(_LONGEST_BACKOFF, _BACKOFF_SECONDS * 2 ** (step.row.attempts - 1))
            step.not_before = time.monotonic() + delay
            step.row = msgspec.structs.replace(step.row, status="pending", error=failure.message)
            self._waiting[step.node.name] = step
        else:
            step.row = msgspec.structs.replace(step.row, status="failed", error=text(failure))
            self._failure = self._failure or (step, failure)
        journal.write(tx, step.row, step.owner, [], [])

    # -- effects -----------------------------------------------------------------------------------------------------

    def _perform_effects(self) -> None:
        for step in self._steps.values():
            if step.node.kind == "effect" and step.row.status == "pending" and self._ready(step) and not self._failure:
                self._perform_effect(step)
                self._report(step)

    def _perform_effect(self, step: Ongoing) -> None:
        began = time.perf_counter()
        ids = {name: each.row.origin or each.row.id for name, each in self._steps.items()}
        context = effects.Context(self._outputs, ids, self._plan.heads, self._catalog, self._shelf, self._run)
        try:
            done = effects.begin(step.node, context)
        except Exception as error:  # noqa: BLE001 - a failure of the step, told as such
            with self._transaction() as (tx, known):
                self._fail(tx, known, step, explain(error))
            return
        with self._transaction() as (tx, _):
            version, new = done(tx)
            self._versions += [version] if step.node.effect == "register" else []
            self._outputs[step.node.name] = []
            state = {
                "status": "executed" if new else "cached",
                "started": tx.now,
                "ended": tx.now,
                "origin": step.row.id,
            }
            inputs = {name: described(value) for name, value in step.node.arguments.items()}
            seconds = time.perf_counter() - began
            step.row = msgspec.structs.replace(step.row, **state, inputs=inputs, outputs=[version], seconds=seconds)
            journal.write(tx, step.row, step.row.id, [], self._uses(step.node))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _check_cancelled(self) -> None:
        if not self._running and not self._waiting:
            return
        with self._catalog.read() as tx:
            if not runs.cancel_requested(tx, self._run):
                return
        raise _CancelledError

    def _end(self, status: Ending) -> RunResult:
        error = ""
        if self._failure is not None:
            step, failure = self._failure
            error = f"the step '{step.node.name}' failed: {text(failure)}"
        if self._facts:
            self._ingest()
        with self._catalog.write() as tx:
            runs.finish(tx, self._run, status, error)
        return self._result(status, error)

    def _abort(self, status: Ending, text: str) -> None:
        """End what still runs and say so in the catalog, as far as that can be done."""
        for step in self._running.values():
            self._executor.cancel(step.row.id)
        if not self._run:
            return
        with self._transaction() as (tx, known):
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
        )

    def _report(self, step: Ongoing) -> None:
        if self._tell is None or step.reported == step.row.status:
            return
        step.reported = step.row.status
        over = sum(each.row.status in {"executed", "cached", "failed"} for each in self._steps.values())
        self._tell(Progress(self._run, step.node.name, step.row.status, over, len(self._steps)))

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Tx, Tx]]:
        """A transaction on the catalog and one on the memo, which are the same where the memo lies in the catalog."""
        with self._catalog.write() as tx, self._memo.within(self._catalog, tx) as known:
            yield tx, known


def _step_result(step: Ongoing) -> StepResult:
    row = step.row
    return StepResult(row.name, row.status, row.seconds, row.cpu_seconds, row.id, step.worth)
