"""What runs on a node of the cluster: a pool of workers as on one machine, and the outcomes that wait to be fetched."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import msgspec

from mulle.pipelines.pool import ProcessPool
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.pipelines.worker import Place

_TICK_SECONDS = 0.2
_GATHER_SECONDS = 0.02
_GROUP = 32


class Node:
    """The actor. Its methods are called from several threads.

    Who uses it says so by calling `harvest` again and again. A node that nobody has called for `patience` seconds is
    cut off, or its user is gone: its tasks are moved elsewhere by then, so it ends them, and itself.
    """

    def __init__(self, workers: int, patience: float) -> None:
        self._workers = workers
        self._patience = patience
        self._pools: dict[str, ProcessPool] = {}
        self._running: dict[str, str] = {}
        """Step run → the place whose pool performs it."""
        self._done: list[bytes] = []
        self._changed = threading.Condition()
        self._heard = time.monotonic()
        threading.Thread(target=self._watch, name="mulle-lease", daemon=True).start()

    def begin(self, place: str, tasks: list[bytes]) -> None:
        """Perform tasks of the project and workspace at a place, given as JSON."""
        with self._changed:
            self._heard = time.monotonic()
            where = msgspec.json.decode(place, type=Place)
            if place not in self._pools and _seen(where):
                self._pools[place] = ProcessPool(where, self._workers)
            pool = self._pools.get(place)
        for data in tasks:
            task = msgspec.msgpack.decode(data, type=Task)
            if pool is None:
                self._refuse(task, where)
                continue
            with self._changed:
                self._running[task.step_run] = place
            pool.submit(task, None).add_done_callback(partial(self._keep, task.step_run))

    def harvest(self, seconds: float) -> list[bytes]:
        """The outcomes since the last call; waits for one up to so long, and answers in any case: a sign of life.

        While others are under way it waits a moment for these too: outcomes that come together are recorded together.
        """
        with self._changed:
            self._heard = time.monotonic()
            if self._changed.wait_for(lambda: self._done, seconds):
                self._changed.wait_for(lambda: len(self._done) >= _GROUP or not self._running, _GATHER_SECONDS)
            found, self._done = self._done, []
            return found

    def cancel(self, step_run: str) -> None:
        """End a task soon."""
        with self._changed:
            pool = self._pools.get(self._running.get(step_run, ""))
        if pool is not None:
            pool.cancel(step_run)

    def preempt(self, step_run: str) -> None:
        """End a task soon, to be begun anew later."""
        with self._changed:
            pool = self._pools.get(self._running.get(step_run, ""))
        if pool is not None:
            pool.preempt(step_run)

    def release(self, place: str) -> None:
        """End the workers of a place."""
        with self._changed:
            pool = self._pools.pop(place, None)
        if pool is not None:
            pool.close()

    def _refuse(self, task: Task, where: Place) -> None:
        """A task whose project or workspace is not here: going on elsewhere would hide that a node cannot be used."""
        message = f"the node {socket.gethostname()} does not see {where.root}, or the workspace {where.workspace}"
        cure = "put both on a directory that all nodes share, at the same path"
        failure = Failure("NotShared", message, f"the step '{task.name}'", message, final=True, cure=cure)
        with self._changed:
            self._done.append(msgspec.msgpack.encode(Outcome(step_run=task.step_run, failure=failure)))
            self._changed.notify_all()

    def _keep(self, step_run: str, future: Future[Outcome]) -> None:
        with self._changed:
            self._running.pop(step_run, None)
            if not future.cancelled():
                self._done.append(msgspec.msgpack.encode(future.result()))
            self._changed.notify_all()

    def _watch(self) -> None:
        while time.monotonic() - self._heard < self._patience:
            time.sleep(_TICK_SECONDS)
        with self._changed:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()
        os._exit(0)


def _seen(where: Place) -> bool:
    return Path(where.root).is_dir() and Path(where.workspace).is_dir()
