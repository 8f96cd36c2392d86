"""Real requests to a real endpoint on loopback, with a hot swap in the middle."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

CLIENTS = 8


class Caller:
    """Clients that ask one row after the other and count what failed."""

    def __init__(self, url: str, deployment: str) -> None:
        self._where = urlsplit(url)
        self._path = f"/predict/{deployment}"
        self._lock = threading.Lock()
        self.requests = 0
        self.failures = 0
        self.answers: dict[int, list[str]] = {}
        """Prediction ids by the revision that gave them."""

    def ask(self, rows: Sequence[dict[str, Any]], meanwhile: Callable[[], object] | None = None) -> None:
        """Ask about every row; `meanwhile` is called when a third of the rows are on their way."""
        queue = iter(enumerate(rows))
        middle = threading.Event()
        threads = [threading.Thread(target=self._work, args=(queue, len(rows) // 3, middle)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        if meanwhile is not None:
            middle.wait()
            meanwhile()
        for thread in threads:
            thread.join()

    def _work(self, queue: Any, third: int, middle: threading.Event) -> None:
        connection = http.client.HTTPConnection(self._where.hostname or "", self._where.port, timeout=30)
        try:
            while True:
                with self._lock:
                    place, row = next(queue, (None, None))
                if place is None:
                    return
                if place >= third:
                    middle.set()
                self._one(connection, row)
        finally:
            middle.set()
            connection.close()

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
