"""Requests as callers make them."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any, Self
from urllib.parse import urlsplit


def ask(url: str, body: Any = None, *, method: str = "POST") -> tuple[int, Any]:
    """The status and JSON of one request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=20)
    try:
        connection.request(method, parts.path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if answer.headers["content-type"] == "application/json" else data
    finally:
        connection.close()


class Callers:
    """Several callers that ask without pause on kept connections until they are stopped."""

    def __init__(self, url: str, path: str, count: int = 8) -> None:
        self._parts = urlsplit(url)
        self._path = path
        self._stop = threading.Event()
        self.answers: list[tuple[float, int, float, str]] = []
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self._call, args=(place,), daemon=True) for place in range(count)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self.threads:
            thread.join(20)

    def _call(self, place: int) -> None:
        asked = 0
        connection = http.client.HTTPConnection(str(self._parts.hostname), self._parts.port or 80, timeout=20)
        while not self._stop.is_set():
            asked += 1
            value = float(place * 1_000_000 + asked)
            try:
                body = json.dumps({"rows": [{"a": value, "b": 0.0}], "key": [str(value)]})
                connection.request("POST", self._path, body)
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {told}")
                    continue
                (one,) = told["predictions"]
                self.answers.append((value, one["revision"], one["output"]["prediction"], one["id"]))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()
