"""Small objects that were put one by one, gathered until there are enough of them for one request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

Items = list[tuple[bytes, bytes]]


class Outgoing:
    """Objects (raw digest, bytes) that wait to be sent together. Thread-safe; at most `limit` bytes wait."""

    def __init__(self, send: Callable[[Items], None], limit: int) -> None:
        """`send` is called with what waited; when it raises, it waits on."""
        self._send = send
        self._limit = limit
        self._waiting: dict[bytes, bytes] = {}
        self._weight = 0
        self._lock = threading.RLock()

    def add(self, raw: bytes, data: bytes) -> None:
        """Keep an object, and send all of them when there are enough."""
        with self._lock:
            if raw not in self._waiting:
                self._waiting[raw] = bytes(data)
                self._weight += len(data)
                if self._weight >= self._limit:
                    self.flush()

    def get(self, raw: bytes) -> bytes | None:
        """The bytes of an object that waits."""
        return self._waiting.get(raw)

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            if self._waiting:
                self._send(list(self._waiting.items()))
                self._waiting.clear()
                self._weight = 0

    def __contains__(self, raw: bytes) -> bool:
        return raw in self._waiting

    def __iter__(self) -> Iterator[bytes]:
        with self._lock:
            return iter(list(self._waiting))
