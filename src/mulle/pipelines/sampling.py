"""What a step uses while it runs: cores, memory and graphics processors, looked at every half second and more seldom.

One thread a process looks; nothing is looked at, and nothing is kept, of a step that is over before the first look.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable

from mulle.pipelines import family
from mulle.pipelines.model import Sample
from mulle.resources.graphics import Graphics, graphics

INTERVAL_SECONDS = 0.5
MOST = 120
"""So many samples are kept; then every other one goes, and the looks become half as frequent."""
_IDLE_LOOKS = 60


class Sampler:
    """Looks at this process and its descendants while a step runs. Thread-safe; one step at a time."""

    def __init__(self, interval: float = INTERVAL_SECONDS, on_look: Callable[[], None] | None = None) -> None:
        """`on_look` is called at every look while a step runs: a sign of life."""
        self._interval = interval
        self._on_look = on_look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began: float | None = None
        self._series: list[Sample] = []
        self._every = self._looks = self._idle = 0
        self._last = (0.0, 0.0)
        self._graphics: Graphics | None = None

    def begin(self) -> None:
        """A step begins."""
        with self._lock:
            self._began, self._series, self._every, self._looks, self._idle = time.monotonic(), [], 1, 0, 0
            self._last = (self._began, _spent())
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="mulle-sampler", daemon=True)
                self._thread.start()

    def end(self) -> list[Sample]:
        """The step is over: what was seen of it."""
        with self._lock:
            self._began = None
            return self._series

    def _look_on(self) -> None:
        while True:
            time.sleep(self._interval)
            with self._lock:
                self._idle = 0 if self._began is not None else self._idle + 1
                if self._idle > _IDLE_LOOKS:
                    self._thread = None
                    return
                if self._began is not None:
                    self._look(self._began)
                    tell = self._on_look
                else:
                    tell = None
            if tell is not None:
                tell()

    def _look(self, began: float) -> None:
        now, (before, spent) = time.monotonic(), self._last
        self._looks += 1
        if self._looks % self._every:
            return
        used = family.use(os.getpid())
        self._last = (now, used.cpu_seconds)
        if self._graphics is None:
            self._graphics = graphics()
        share, held = self._graphics.use({os.getpid(), *family.descendants(os.getpid())})
        cores = max(0.0, used.cpu_seconds - spent) / max(now - before, 1e-9)
        self._series.append(Sample(round(now - began, 2), round(cores, 2), used.memory, share, held))
        if len(self._series) >= MOST:
            self._series = self._series[1::2]
            self._every *= 2


def _spent() -> float:
    """The CPU seconds of this process and of the children that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
