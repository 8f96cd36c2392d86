"""Tasks in this process, one after the other: the least overhead, and a debugger that stops in the step."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import PipelineError
from mulle.pipelines import interrupting
from mulle.pipelines.interrupting import Interrupted, Interruptible
from mulle.pipelines.perform import Bench, announce, captured, perform
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.spool import SpoolWriter

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.definitions import Definitions
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.values import Shelf


class InProcess:
    """An executor that performs a task when it is submitted.

    A task that takes too long or is cancelled is interrupted where it runs Python code or waits, and the processes that
    it started are killed. Tasks with an environment or image of their own run in a worker all the same.
    """

    capacity = 1
    ahead = 0
    elsewhere = False

    def __init__(
        self,
        shelf: Shelf,
        clock: Clock,
        workspace: Path,
        definitions: Callable[[], Definitions],
        away: Callable[[], Executor] | None = None,
    ) -> None:
        """Wire it; `away` makes the executor of tasks that cannot run in this process."""
        self._clock = clock
        self._make_away = away
        self._away: Executor | None = None
        self._call: tuple[str, Interruptible] | None = None
        self._spool_dir = workspace / "spool" / "metrics"
        self._writer: SpoolWriter | None = None
        self._lock = threading.RLock()
        self._bench = Bench(shelf, clock, workspace / "logs", self._spool, definitions)

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:
        if task.worker or task.gang > 1:
            return self._elsewhere().submit(task, None)
        future: Future[Outcome] = Future()
        with self._lock, captured(self._bench.logs / f"{task.step_run}.log") as log:
            announce(task)
            outcome = self._perform(task, function)
            if outcome.failure is not None:
                log.write(outcome.failure.trace)
        future.set_result(outcome)
        return future

    def cancel(self, step_run: str) -> None:
        call = self._call
        if call is not None and call[0] == step_run:
            call[1].interrupt("Cancelled")
        if self._away is not None:
            self._away.cancel(step_run)

    def preempt(self, step_run: str) -> None:
        """Nothing to do: whoever would ask is the thread that performs."""

    def close(self) -> None:
        if self._away is not None:
            self._away.close()
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _perform(self, task: Task, function: Callable[..., Any] | None) -> Outcome:
        interrupting.listen()
        call = Interruptible()
        self._call = (task.step_run, call)
        try:
            call.begin()
            if task.timeout:
                call.after(task.timeout, "TimeoutError")
            outcome = perform(task, self._bench, function)
        except Interrupted:  # it came before or after the step's own code
            outcome = Outcome(step_run=task.step_run)
        except BaseException:  # Ctrl-C
            call.end_children()
            raise
        finally:
            call.finish()
            self._call = None
        late = task.timeout and outcome.seconds > task.timeout and outcome.failure is None
        if call.reason == "Cancelled":
            return msgspec.structs.replace(outcome, outputs=[], failure=CANCELLED)
        if call.reason or late:
            return msgspec.structs.replace(outcome, outputs=[], failure=timed_out(task, _where(outcome)))
        return outcome

    def _elsewhere(self) -> Executor:
        if self._away is None:
            if self._make_away is None:
                raise PipelineError(
                    "a step with an environment or image of its own, or in several processes, needs worker processes",
                    cause="this executor has none",
                    cure="mulle run --executor process",
                )
            self._away = self._make_away()
        return self._away

    def _spool(self) -> SpoolWriter:
        if self._writer is None:
            name = f"local-{os.getpid()}-{os.urandom(4).hex()}"
            self._writer = SpoolWriter(self._spool_dir, name, self._clock)
        return self._writer


CANCELLED = Failure("Cancelled", "it was cancelled", "", "it was cancelled", final=True)


def _where(outcome: Outcome) -> str:
    """Where a task was when it was interrupted."""
    failure = outcome.failure
    return failure.where if failure is not None and failure.kind == Interrupted.__name__ else ""


def timed_out(task: Task, where: str = "") -> Failure:
    """The failure of a task that took too long; `where` is the user's line that it was at."""
    message = f"it took longer than its timeout of {task.timeout:g} s"
    return Failure("TimeoutError", message, where or f"the step '{task.name}'", message)
