"""What a process used while it ran: CPU seconds and peak memory, its children included."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import msgspec
import psutil


class Usage(msgspec.Struct, frozen=True):
    """CPU seconds spent since the sampler began, and the largest resident memory seen, in bytes."""

    cpu_seconds: float
    peak_rss: int


class Sampler:
    """Looks at a process and its children every `interval` seconds, on a thread, from `start()` to `stop()`."""

    def __init__(self, pid: int, interval: float = 0.2) -> None:
        self._process = psutil.Process(pid)
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._peak = 0

    def start(self) -> Self:
        self.sample()
        self._first = dict(self._last)
        self._thread = threading.Thread(target=self._run, name=f"sampler-{self._process.pid}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> Usage:
        """Look a last time and say what was used."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.sample()
        return self.usage()

    def usage(self) -> Usage:
        """What was used so far."""
        spent = sum(seconds - self._first.get(pid, 0.0) for pid, seconds in list(self._last.items()))
        return Usage(max(0.0, spent), self._peak)

    def sample(self) -> None:
        """Look once; a process that has ended keeps what was last seen of it."""
        resident = 0
        for process in self._family():
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue
            self._last[process.pid] = times.user + times.system
            resident += memory.rss
        self._peak = max(self._peak, resident)

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.sample()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
