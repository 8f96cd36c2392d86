"""Tasks in this process, one after the other: the least overhead, and a debugger that stops in the step."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.pipelines.perform import Bench, captured, perform
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.spool import SpoolWriter

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.definitions import Definitions
    from mulle.pipelines.values import Shelf


class InProcess:
    """An executor that performs a task when it is submitted. A timeout is found out afterwards: nothing is killed."""

    capacity = 1
    elsewhere = False

    def __init__(self, shelf: Shelf, clock: Clock, workspace: Path, definitions: Callable[[], Definitions]) -> None:
        self._clock = clock
        self._spool_dir = workspace / "spool" / "metrics"
        self._writer: SpoolWriter | None = None
        self._lock = threading.RLock()
        self._bench = Bench(shelf, clock, workspace / "logs", self._spool, definitions)

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        with self._lock, captured(self._bench.logs / f"{task.step_run}.log") as log:
            outcome = perform(task, self._bench, function)
            if task.timeout and outcome.seconds > task.timeout and outcome.failure is None:
                outcome = msgspec.structs.replace(outcome, outputs=[], failure=timed_out(task))
            if outcome.failure is not None:
                log.write(outcome.failure.trace)
        future.set_result(outcome)
        return future

    def cancel(self, step_run: str) -> None:
        """Nothing to do: a submitted task is over."""

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _spool(self) -> SpoolWriter:
        if self._writer is None:
            name = f"local-{os.getpid()}-{os.urandom(4).hex()}"
            self._writer = SpoolWriter(self._spool_dir, name, self._clock)
        return self._writer


def timed_out(task: Task) -> Failure:
    """The failure of a task that took too long."""
    message = f"it took longer than its timeout of {task.timeout:g} s"
    return Failure("TimeoutError", message, f"the step '{task.name}'", message)
