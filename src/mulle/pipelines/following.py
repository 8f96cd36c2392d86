"""The log of a step, line by line; followed as it grows, until the step is over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from mulle.pipelines.model import LogLine

_LOOK_SECONDS = 0.2
_MOST_BYTES = 1 << 20


class Following:
    """An iterator over the lines of a growing file. `poll` gives what is there and never waits. For one thread."""

    def __init__(self, find: Callable[[], Path | None], is_over: Callable[[], bool]) -> None:
        """`find` gives the file once it is there; when `is_over` says yes, what is in it is all."""
        self._find = find
        self._is_over = is_over
        self._offset = self._number = 0
        self._rest = b""
        self._ready: deque[LogLine] = deque()
        self._ended = False
        self._nap = threading.Event()

    def poll(self) -> list[LogLine] | None:
        """The lines that came since the last time; None when there will be no more."""
        if self._ended:
            return None
        over = self._is_over()
        lines, more = self._read()
        if over and not more:
            self._ended = True
            if self._rest:
                lines.append(self._line(self._rest))
        return lines

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> LogLine:
        while not self._ready:
            found = self.poll()
            if found is None:
                raise StopIteration
            self._ready.extend(found)
            if not found and not self._ended:
                self._nap.wait(_LOOK_SECONDS)
        return self._ready.popleft()

    def _read(self) -> tuple[list[LogLine], bool]:
        path = self._find()
        if path is None:
            return [], False
        with path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_MOST_BYTES)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._line(line) for line in lines], len(data) == _MOST_BYTES

    def _line(self, line: bytes) -> LogLine:
        self._number += 1
        return LogLine(self._number, line.decode("utf-8", "replace").rstrip("\r"))
