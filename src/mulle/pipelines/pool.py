"""Tasks in warm worker processes: started when first needed, kept between runs, killed for a timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from mulle.errors import MulleError
from mulle.pipelines import gangs, launching
from mulle.pipelines.failing import explain
from mulle.pipelines.in_process import CANCELLED
from mulle.pipelines.launching import Kind
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.pipelines.worker import Place
from mulle.pipelines.worker_process import HUNG_SECONDS, WorkerProcess

_PREEMPTED = Failure("Preempted", "its room was needed by another step", "", "its room was needed by another step")


class ProcessPool:
    """An executor over processes of this machine.

    A worker is started with the thread limits of its tasks' `cpus` in its environment, so that libraries which read
    them only once obey too; it takes tasks with the same number. Steps hold `cpus` of the capacity, and
    the memory that they ask for, while they run.
    """

    elsewhere = True

    def __init__(self, place: Place, workers: int, *, hung_seconds: float = HUNG_SECONDS) -> None:
        """`workers` cores may be kept busy; a worker that shows no life for `hung_seconds` is killed."""
        self.capacity = max(1, workers)
        self.ahead = 0
        self._hung_seconds = hung_seconds
        self._place = place
        self._threads = ThreadPoolExecutor(self.capacity, thread_name_prefix="mulle-pool")
        self._free = self.capacity
        self._used_memory = 0
        self._changed = threading.Condition()
        self._idle: list[WorkerProcess] = []
        self._busy: dict[str, WorkerProcess] = {}
        self._under_way: set[str] = set()
        self._cancelled: dict[str, Failure] = {}
        self._closed = False

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:  # noqa: ARG002 - another process
        with self._changed:
            self._under_way.add(task.step_run)
        return self._threads.submit(self._perform, task)

    def cancel(self, step_run: str) -> None:
        self._stop(step_run, CANCELLED)

    def preempt(self, step_run: str) -> None:
        """End a task whose room is needed: a failure of the kind "Preempted", after which it is begun again."""
        self._stop(step_run, _PREEMPTED)

    def _stop(self, step_run: str, failure: Failure) -> None:
        with self._changed:
            if step_run not in self._under_way:
                return
            self._cancelled.setdefault(step_run, failure)
            workers = [worker for name, worker in self._busy.items() if _step_run(name) == step_run]
            self._changed.notify_all()
        for worker in workers:
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
        cpus = min(task.cpus * task.gang, self.capacity)
        memory = min(task.memory * task.gang, _memory())
        self._admit(cpus, memory)
        try:
            if task.gang > 1:
                return gangs.perform(task, self._on_worker, lambda: self._stop(task.step_run, CANCELLED))
            return self._on_worker(task)
        except MulleError as error:  # its environment or image cannot be had
            return Outcome(step_run=task.step_run, failure=explain(error))
        finally:
            with self._changed:
                self._free += cpus
                self._used_memory -= memory
                self._under_way.discard(task.step_run)
                self._cancelled.pop(task.step_run, None)
                self._changed.notify_all()

    def _admit(self, cpus: int, memory: int) -> None:
        """Wait until the machine has what the task asks for."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= cpus and self._used_memory + memory <= _memory())
            self._free -= cpus
            self._used_memory += memory

    def _on_worker(self, task: Task) -> Outcome:
        if (stopped := self._stopped(task)) is not None:
            return stopped
        visible = task.visible[0] if task.visible else None
        kind = Kind(min(task.cpus, self.capacity), task.env, task.image, visible)
        command = launching.command(kind, self._place)  # an environment may have to be built for it
        worker = self._worker(kind, command, task.step_run)
        outcome, failure = worker.perform(task)
        with self._changed:
            self._busy.pop(task.step_run, None)
            if outcome is not None and not self._closed:
                self._idle.append(worker)
            else:
                worker.close()
        if outcome is not None:
            return outcome
        if (stopped := self._stopped(task)) is not None:
            return stopped
        assert failure is not None
        return Outcome(step_run=task.step_run, failure=failure)

    def _stopped(self, task: Task) -> Outcome | None:
        """The outcome of a task that was asked to end; None where it may go on."""
        failure = self._cancelled.get(_step_run(task.step_run))
        if failure is None and not self._closed:
            return None
        return Outcome(step_run=task.step_run, failure=failure or CANCELLED)

    def _worker(self, kind: Kind, command: Sequence[str], step_run: str) -> WorkerProcess:
        with self._changed:
            for worker in [worker for worker in self._idle if not worker.lives()]:
                self._idle.remove(worker)
                worker.close()
            wanted = (kind.cpus, kind.visible, command)
            fitting = [worker for worker in self._idle if (worker.cpus, worker.visible, worker.command) == wanted]
            others = [worker for worker in self._idle if worker not in fitting]
            if fitting:
                worker = fitting[-1]
                self._idle.remove(worker)
            else:
                if others and len(self._idle) + len(self._busy) >= self.capacity:
                    self._idle.remove(others[0])
                    others[0].close()
                worker = WorkerProcess(self._place, kind, command, self._hung_seconds)
            self._busy[step_run] = worker
            return worker


def _step_run(name: str) -> str:
    """The step run that a task belongs to; those of a gang's other processes have a number behind it."""
    return name.partition(".")[0]


@lru_cache(maxsize=1)
def _memory() -> int:
    """How many bytes this machine has for processes."""
    from mulle.resources import machine  # noqa: PLC0415 - start-up time: a run that executes nothing never asks

    return machine().memory_bytes
