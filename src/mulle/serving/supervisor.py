"""The processes behind an endpoint: started on one listening socket, told what to serve, restarted when they die."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mulle.clock import Clock
from mulle.serving import metrics
from mulle.serving.plan import Message, Plan, Unpacker, WorkerSettings, pack

_START_SECONDS = 60.0
_BACKOFF_SECONDS = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0)
_MODULE = "mulle.serving.worker"


class WorkerProcess:
    """One worker and the supervisor's end of its control socket."""

    def __init__(self, listening: socket.socket, settings: WorkerSettings, heard: Callable[[], None]) -> None:
        mine, theirs = socket.socketpair()
        self.settings = settings
        self.generation = 0
        self.refused: dict[int, str] = {}
        self.counters: Mapping[str, Any] = {}
        self._heard = heard
        self._control = mine
        self.process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", _MODULE, str(listening.fileno()), str(theirs.fileno())],
            pass_fds=(listening.fileno(), theirs.fileno()),
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the supervisor, which lets its workers drain
        )
        theirs.close()
        self.send(Message("settings", counters=msgspec.to_builtins(settings)))
        self._thread = threading.Thread(target=self._listen, name=f"control-{settings.name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Message) -> None:
        """Tell the worker something; a dead one hears nothing."""
        with contextlib.suppress(OSError):
            self._control.sendall(pack(message))

    def stop(self, seconds: float) -> None:
        """Let it finish what is open; after `seconds` end it."""
        self.send(Message("stop"))
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Let go of the control socket of a worker that has ended."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._control.close()

    def _listen(self) -> None:
        unpacker = Unpacker()
        with contextlib.suppress(OSError):
            while data := self._control.recv(1 << 16):
                for message in unpacker.feed(data):
                    self._hear(message)
        self._heard()

    def _hear(self, message: Message) -> None:
        if message.kind == "applied":
            self.generation = message.generation
            self._heard()
        elif message.kind == "refused":
            self.refused[message.generation] = message.error
            self._heard()
        elif message.kind == "counters":
            self.counters = message.counters


class Supervisor:
    """Keeps `count` workers on a socket and on the newest plan. Its methods are called from one thread."""

    def __init__(
        self, listening: socket.socket, settings: Callable[[int], WorkerSettings], count: int, clock: Clock
    ) -> None:
        self._listening = listening
        self._settings = settings
        self._clock = clock
        self._plan = Plan(0, [])
        self._heard = threading.Condition()
        self._started = 0
        self._deaths: dict[int, list[float]] = {place: [] for place in range(count)}
        self._past: dict[str, float] = {}
        self.workers: dict[int, WorkerProcess] = {}
        self.restarts = 0

    def apply(self, plan: Plan, timeout: float = _START_SECONDS) -> str:
        """Have every worker serve a plan; returns when all have said so: "" or what one of them found wrong with it.

        A plan that one of them refuses is taken back: the former one serves on, in workers that start later too.
        """
        former, self._plan = self._plan, plan
        self.tend()
        self._send(plan)
        error = self._awaited(plan.generation, timeout)
        if error:
            self._plan = former
            self._send(former)
        return error

    def _send(self, plan: Plan) -> None:
        if plan.generation:
            for worker in self.workers.values():
                worker.send(Message("apply", plan=plan))

    def _awaited(self, generation: int, timeout: float) -> str:
        deadline = self._clock.monotonic() + timeout
        with self._heard:
            while (state := self._state(generation)) is None:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return f"the workers did not load the models within {timeout:.0f} s"
                self._heard.wait(min(left, 0.2))
        return state

    def _state(self, generation: int) -> str | None:
        """Where the workers are with a plan: None while they load."""
        for worker in self.workers.values():
            if generation in worker.refused:
                return worker.refused[generation]
            if not worker.alive:
                return f"a worker ended with code {worker.process.returncode} while it loaded the models"
        if all(worker.generation == generation for worker in self.workers.values()):
            return ""
        return None

    def tend(self) -> None:
        """Replace workers that have died, and exchange counters."""
        for place in self._deaths:
            worker = self.workers.get(place)
            if worker is not None and worker.alive:
                continue
            now = self._clock.monotonic()
            if worker is not None:
                self._bury(place, worker, now)
            recent = [at for at in self._deaths[place] if now - at < _START_SECONDS]
            wait = _BACKOFF_SECONDS[min(len(recent), len(_BACKOFF_SECONDS) - 1)]
            if not recent or now - recent[-1] >= wait:
                self._start(place)
        self._exchange()

    def _bury(self, place: int, worker: WorkerProcess, now: float) -> None:
        worker.close()
        self._past = metrics.added((self._past, worker.counters))
        self._deaths[place] = [*self._deaths[place][-9:], now]
        self.restarts += 1
        del self.workers[place]

    def _start(self, place: int) -> None:
        self._started += 1
        self.workers[place] = WorkerProcess(self._listening, self._settings(self._started), self._wake)
        if self._plan.generation:
            self.workers[place].send(Message("apply", plan=self._plan))

    def _exchange(self) -> None:
        """Tell each worker what the others and the dead have counted, so that any of them can answer for all."""
        if len(self.workers) < 2 and not self._past:  # noqa: PLR2004 - one worker knows everything
            return
        for place, worker in self.workers.items():
            others = [one.counters for at, one in self.workers.items() if at != place]
            worker.send(Message("others", counters=metrics.added((self._past, *others))))

    def stop(self, seconds: float) -> None:
        """Drain and end all workers."""
        threads = [
            threading.Thread(target=worker.stop, args=(seconds,), daemon=True) for worker in self.workers.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.workers.clear()

    def _wake(self) -> None:
        with self._heard:
            self._heard.notify_all()
