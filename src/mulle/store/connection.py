"""Requests to one mulle server over connections that are kept; what is cut is asked again."""

from __future__ import annotations

import http.client
import queue
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mulle.errors import StoreError, UsageError

_TRIES = 5
_WAIT_SECONDS = 0.2
_TIMEOUT_SECONDS = 120.0
_OK, _NOT_FOUND, _SERVER_FAULT = range(200, 300), 404, 502


class _Problem(msgspec.Struct):
    error: str
    cause: str | None = None
    cure: str | None = None


class Connection:
    """One server. Any thread. Every request may arrive twice: send only what may be repeated.

    `close()` closes the connections that are kept; so does the end of the object.
    """

    def __init__(
        self, url: str, *, timeout: float = _TIMEOUT_SECONDS, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"'{url}' is no server", cause="it is no http URL", cure="write http://127.0.0.1:8420")
        if parts.username or parts.password:
            raise UsageError(
                "the address of a remote may hold no secret",
                cause="it holds a name or a password, and addresses are shared, logged and committed",
                cure="leave them out",
            )
        self.url = url.rstrip("/")
        self._base = parts.path.rstrip("/")
        self._timeout = timeout
        self._sleep = sleep
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = (parts.hostname, parts.port)
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self.close = weakref.finalize(self, _close, self._idle)

    def ask(
        self, method: str, path: str, body: bytes | memoryview | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer.

        Raises:
            StoreError: the server does not answer, or what it refused and why.
        """
        for attempt in range(_TRIES):
            try:
                with self.opened(method, path, body, headers) as answer:
                    return bytes(answer.read())
            except CutError as error:
                self._wait(attempt, error)
        raise AssertionError

    def head(self, path: str) -> Mapping[str, str] | None:
        """The headers of what is there; None where nothing is."""
        for attempt in range(_TRIES):
            try:
                with self.opened("HEAD", path) as answer:
                    return dict(answer.getheaders())
            except NothingThereError:
                return None
            except CutError as error:
                self._wait(attempt, error)
        raise AssertionError

    def pieces(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """The bytes of a file from an offset on; a cut is mended by asking for the rest."""
        attempt = 0
        while offset < size:
            cut = CutError("the answer ended early")
            try:
                with self.opened("GET", path, headers={"range": f"bytes={offset}-"}) as answer:
                    while piece := _read(answer):
                        offset, attempt = offset + len(piece), 0
                        yield piece
            except CutError as error:
                cut = error
            if offset < size:
                self._wait(attempt, cut)
                attempt += 1

    @contextmanager
    def opened(
        self,
        method: str,
        path: str,
        body: bytes | memoryview | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Any]:
        """The answer, to be read within the block."""
        connection = self._connection()
        try:
            connection.request(method, self._base + path, body, dict(headers or {}))
            answer = connection.getresponse()
            _require_granted(self.url, answer)
            yield answer
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise CutError(str(error) or type(error).__name__) from error
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)

    def _connection(self) -> http.client.HTTPConnection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            host, port = self._address
            return self._make(host, port, timeout=self._timeout)

    def _wait(self, attempt: int, error: CutError) -> None:
        """Wait before the next try; after the last one, say that the server does not answer."""
        if attempt + 1 >= _TRIES:
            raise StoreError(
                f"{self.url} does not answer",
                cause=str(error),
                cure="start it with `mulle server`, or repeat the command: what arrived already is not sent again",
            ) from error
        self._sleep(_WAIT_SECONDS * 2**attempt)


class CutError(Exception):
    """The connection was refused or cut: ask again."""


class NothingThereError(StoreError):
    """The server has nothing of that name."""


def _close(idle: queue.LifoQueue[http.client.HTTPConnection]) -> None:
    while True:
        try:
            idle.get_nowait().close()
        except queue.Empty:
            return


def _read(answer: http.client.HTTPResponse) -> bytes:
    return answer.read(1 << 20)


def _require_granted(url: str, answer: http.client.HTTPResponse) -> None:
    if answer.status in _OK:
        return
    body = answer.read()
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(f"the server answered {answer.status}", body.decode(errors="replace")[:200], None)
    if answer.status >= _SERVER_FAULT:
        raise CutError(problem.error)
    kind = NothingThereError if answer.status == _NOT_FOUND else StoreError
    cure = problem.cure or "see the server's log"
    raise kind(f"{url}: {problem.error}", cause=problem.cause, cure=cure)
