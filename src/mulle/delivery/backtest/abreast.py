"""Several wheels through the same history side by side: always the one that is furthest behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

_THREADS = 3


class Turning(Protocol):
    """Something that goes on through time by turns."""

    @property
    def now(self) -> datetime:
        """How far it has come."""

    def turn(self) -> bool:
        """Go on a little; False at the end."""


def turn_abreast(wheels: Mapping[str, Turning], tell: Callable[[], None], threads: int = _THREADS) -> None:
    """Turn all wheels to their ends.

    What policies share (labels of a day, answers of a model) they then need at about the same moment, so that it is
    kept for a short while only. A wheel that waits for a training does not hold up the others.

    Args:
        wheels: by name.
        tell: called after every turn.
        threads: how many may turn at the same time.

    Raises:
        Exception: whatever a turn raises first; the others stop then.
    """
    crew = _Crew(wheels, tell)
    with ThreadPoolExecutor(threads, thread_name_prefix="mulle-backtest") as pool:
        for done in [pool.submit(crew.work) for _ in range(threads)]:
            done.result()


class _Crew:
    def __init__(self, wheels: Mapping[str, Turning], tell: Callable[[], None]) -> None:
        self._wheels = dict(wheels)
        self._tell = tell
        self._idle = set(wheels)
        self._under_way = 0
        self._failed = False
        self._changed = threading.Condition()

    def work(self) -> None:
        """Take the wheel that is furthest behind, turn it, put it back; until there is none any more."""
        while (name := self._taken()) is not None:
            goes_on = False
            try:
                goes_on = self._wheels[name].turn()
                self._tell()
            except BaseException:
                self._failed = True
                raise
            finally:
                with self._changed:
                    self._under_way -= 1
                    self._idle |= {name} if goes_on else set()
                    self._changed.notify_all()

    def _taken(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or not self._under_way or self._failed)
            if not self._idle or self._failed:
                return None
            name = min(self._idle, key=lambda each: (self._wheels[each].now, each))
            self._idle.remove(name)
            self._under_way += 1
            return name
