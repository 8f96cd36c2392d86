"""Time and identity as arguments: nothing below the faces reads the wall clock or draws random ids by itself.

`now` is domain time (what the ledger, the windows and the triggers see; virtual in a backtest). `monotonic` is for
liveness only (leases, timeouts) and never reaches anything that is stored.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Domain time and liveness time. Implementations are safe to call from any thread."""

    def now(self) -> datetime:
        """The present instant in domain time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow, for deadlines; unrelated to `now`."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of domain time pass."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ShiftedClock(SystemClock):
    """The machine's time, a fixed length behind: for workspaces that hold recorded data and live in its time."""

    def __init__(self, behind: timedelta) -> None:
        self.behind = behind

    def now(self) -> datetime:
        return datetime.now(UTC) - self.behind


def system_clock(behind: timedelta = timedelta(0)) -> SystemClock:
    """The machine's time, or as much behind it as is said."""
    return ShiftedClock(behind) if behind else SystemClock()


class VirtualClock:
    """Time that moves only when it is told to."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a virtual clock starts at an aware instant")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> datetime:
        """Move forward by `by` and return the new instant."""
        return self.set(self._now + by)

    def set(self, instant: datetime) -> datetime:
        """Move forward to `instant`; time never runs backward."""
        with self._lock:
            if instant < self._now:
                raise ValueError(f"time does not run backward: {instant} is before {self._now}")
            self._now = instant.astimezone(UTC)
            return self._now


class Ids(Protocol):
    """A source of time-ordered unique ids (UUIDv7, 36 characters)."""

    def new(self) -> str:
        """A fresh id; ids made by one source sort in the order they were made."""


class ClockIds:
    """UUIDv7 by RFC 9562: 48 bits of domain milliseconds, a 12-bit counter within them, 62 random bits.

    With a seed the ids repeat from run to run under a virtual clock; without one the bits come from the system.
    """

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed if seed is not None else int.from_bytes(os.urandom(16)))  # noqa: S311
        self._lock = threading.Lock()
        self._last = 0
        self._counter = 0

    def new(self) -> str:
        with self._lock:
            millis = int(self._clock.now().timestamp() * 1000)
            if millis > self._last:
                self._last, self._counter = millis, self._random.getrandbits(8)
            else:
                self._counter += 1
                if self._counter > 0xFFF:  # noqa: PLR2004
                    self._last, self._counter = self._last + 1, 0
            value = (self._last << 80) | (0x7 << 76) | (self._counter << 64) | (0b10 << 62)
            value |= self._random.getrandbits(62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
