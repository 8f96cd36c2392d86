"""Real requests to a real endpoint on loopback."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

_PATIENCE_SECONDS = 60.0


def _rows(rows: Sequence[dict[str, Any]], half: threading.Event, done: threading.Event) -> Iterator[dict[str, Any]]:
    """The first half, again and again until what happens meanwhile is over, then the second half."""
    middle = len(rows) // 2
    yield from rows[:middle]
    half.set()
    while middle and not done.is_set():
        yield from itertools.takewhile(lambda _: not done.is_set(), rows[:middle])
    yield from rows[middle:]


class Caller:
    """Clients that ask one row after the other and count what failed."""

    def __init__(self, url: str, deployment: str, *, clients: int = 8) -> None:
        self._where = urlsplit(url)
        self._path = f"/predict/{deployment}"
        self._lock = threading.Lock()
        self.clients = clients
        self.requests = 0
        self.failures = 0
        self.answers: dict[int, list[str]] = {}
        """Prediction ids by the revision that gave them."""

    def ask(self, rows: Sequence[dict[str, Any]], *, meanwhile: Callable[[], None] | None = None) -> None:
        """Ask about every row, each client one after the other.

        With `meanwhile`, that is done when half of the rows are asked; until it is over the clients go on with these.
        """
        half = threading.Event()
        done = threading.Event()
        queue = _rows(rows, half, done) if meanwhile is not None else iter(rows)
        threads = [threading.Thread(target=self._work, args=(queue,)) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            if meanwhile is not None:
                half.wait(_PATIENCE_SECONDS)
                meanwhile()
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def _work(self, queue: Iterator[dict[str, Any]]) -> None:
        connection = http.client.HTTPConnection(self._where.hostname or "", self._where.port, timeout=30)
        try:
            while (row := self._next(queue)) is not None:
                self._one(connection, row)
        finally:
            connection.close()

    def _next(self, queue: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
        with self._lock:
            return next(queue, None)

    def _one(self, connection: http.client.HTTPConnection, row: Any) -> None:
        try:
            connection.request("POST", self._path, json.dumps({"rows": [row]}), {"content-type": "application/json"})
            response = connection.getresponse()
            body = json.loads(response.read())
            answer = body["predictions"][0] if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            connection.close()
            answer = None
        with self._lock:
            self.requests += 1
            if answer is None:
                self.failures += 1
            else:
                self.answers.setdefault(int(answer["revision"]), []).append(answer["id"])
