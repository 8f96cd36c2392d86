"""Tasks in warm worker processes: started when first needed, kept between runs, killed for a timeout."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import msgspec

from mulle.pipelines.in_process import timed_out
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.pipelines.worker import BEGAN, Frames, Place

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


class ProcessPool:
    """An executor over processes of this machine.

    A worker is started with the thread limits of its tasks' `cpus` in its environment, so that libraries which read
    them only once obey too; it takes tasks with the same number. Steps hold `cpus` of the capacity, and
    the memory that they ask for, while they run.
    """

    elsewhere = True

    def __init__(self, place: Place, workers: int) -> None:
        self.capacity = max(1, workers)
        self._place = place
        self._threads = ThreadPoolExecutor(self.capacity, thread_name_prefix="mulle-pool")
        self._free = self.capacity
        self._used_memory = 0
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._busy: dict[str, _Worker] = {}
        self._cancelled: set[str] = set()
        self._closed = False

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:  # noqa: ARG002 - another process
        return self._threads.submit(self._perform, task)

    def cancel(self, step_run: str) -> None:
        with self._changed:
            self._cancelled.add(step_run)
            worker = self._busy.get(step_run)
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for worker in self._idle:
                worker.close()
            for worker in self._busy.values():
                worker.kill()
            self._idle.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _perform(self, task: Task) -> Outcome:
        cpus, memory = min(task.cpus, self.capacity), min(task.memory, _memory())
        self._admit(cpus, memory)
        try:
            return self._on_worker(task, cpus)
        finally:
            with self._changed:
                self._free += cpus
                self._used_memory -= memory
                self._cancelled.discard(task.step_run)
                self._changed.notify_all()

    def _admit(self, cpus: int, memory: int) -> None:
        """Wait until the machine has what the task asks for."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= cpus and self._used_memory + memory <= _memory())
            self._free -= cpus
            self._used_memory += memory

    def _on_worker(self, task: Task, cpus: int) -> Outcome:
        if task.step_run in self._cancelled or self._closed:
            return _failed(task, "Cancelled", "it was cancelled before it began")
        worker = self._worker(cpus, task.step_run)
        outcome, failure = worker.perform(task)
        with self._changed:
            self._busy.pop(task.step_run, None)
            if outcome is not None and not self._closed:
                self._idle.append(worker)
            else:
                worker.close()
        if outcome is not None:
            return outcome
        if task.step_run in self._cancelled or self._closed:
            return _failed(task, "Cancelled", "it was cancelled")
        assert failure is not None
        return Outcome(step_run=task.step_run, failure=failure)

    def _worker(self, cpus: int, step_run: str) -> _Worker:
        with self._changed:
            for worker in [worker for worker in self._idle if not worker.lives()]:
                self._idle.remove(worker)
                worker.close()
            fitting = [worker for worker in self._idle if worker.cpus == cpus]
            others = [worker for worker in self._idle if worker not in fitting]
            if fitting:
                worker = fitting[-1]
                self._idle.remove(worker)
            else:
                if others and len(self._idle) + len(self._busy) >= self.capacity:
                    self._idle.remove(others[0])
                    others[0].close()
                worker = _Worker(self._place, cpus)
            self._busy[step_run] = worker
            return worker


class _Worker:
    """One process and the pipes to it."""

    def __init__(self, place: Place, cpus: int) -> None:
        self.cpus = cpus
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        command = [sys.executable, "-P", "-m", "mulle.pipelines.worker", msgspec.json.encode(place).decode()]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, str(there), str(back)],
            pass_fds=(there, back),
            stdin=subprocess.DEVNULL,
            env=os.environ | _environment(cpus),
        )
        os.close(there)
        os.close(back)
        self._frames = Frames(os.fdopen(self._in, "rb", buffering=0), os.fdopen(self._out, "wb"))

    def lives(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process; whoever waits for its answer finds the pipe ended."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill, and close the pipes; only by the thread that would read from them."""
        self.kill()
        self._frames.close()

    def perform(self, task: Task) -> tuple[Outcome | None, Failure | None]:
        """The outcome; or, when the process had to be killed or died, why there is none."""
        try:
            self._frames.send(msgspec.msgpack.encode(task))
            data = self._frames.receive()
            if data == BEGAN:
                data = self._answer(task.timeout)
        except TimeoutError:  # before OSError, which it is one of
            self.kill()
            return None, timed_out(task)
        except OSError:
            data = None
        if data is None:
            return None, self._death(task)
        return msgspec.msgpack.decode(data, type=Outcome), None

    def _answer(self, timeout: float) -> bytes | None:
        if timeout:
            deadline = time.monotonic() + timeout
            while not select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if time.monotonic() >= deadline:
                    raise TimeoutError
        return self._frames.receive()

    def _death(self, task: Task) -> Failure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit status {code}"
        cause = "; the machine may have run out of memory" if code == -signal.SIGKILL else ""
        message = f"its worker process ended {how}{cause}"
        return Failure("WorkerDied", message, f"the step '{task.name}'", message)


@lru_cache(maxsize=1)
def _memory() -> int:
    """How many bytes this machine has for processes."""
    from mulle.resources import machine  # noqa: PLC0415 - start-up time: a run that executes nothing never asks

    return machine().memory_bytes


def _environment(cpus: int) -> dict[str, str]:
    limits = {f"{name}_NUM_THREADS": str(cpus) for name in _THREADS}
    return {**limits, "POLARS_MAX_THREADS": str(cpus), "PYTHONHASHSEED": "0"}


def _failed(task: Task, kind: str, message: str) -> Outcome:
    return Outcome(step_run=task.step_run, failure=Failure(kind, message, "", message, final=True))
