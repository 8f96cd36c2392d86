"""The HTTP face of a worker: a raw ASGI application over the data plane.

Requests that arrive in the same turn of the event loop are answered by one prediction. A full queue answers 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec

from mulle.errors import MulleError, ServingError, UnknownNameError, UsageError
from mulle.serving import inference
from mulle.serving.plan import WorkerSettings
from mulle.serving.plane import Asked, DataPlane, Served

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREDICT = "/predict/"
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_encode = msgspec.json.Encoder().encode


class RefusedError(Exception):
    """The request is answered with this code and body."""

    def __init__(self, code: int, error: str, cause: str, cure: str) -> None:
        super().__init__(error)
        self.code = code
        self.body = {"error": error, "cause": cause, "cure": cure}


class App:
    """One process's ASGI application.

    Args:
        plane: the models.
        settings: limits.
        metrics: renders the counters for Prometheus.
    """

    def __init__(self, plane: DataPlane, settings: WorkerSettings, metrics: Callable[[], str]) -> None:
        self.plane = plane
        self.draining = False
        self._settings = settings
        self._metrics = metrics
        self._waiting: list[tuple[Served, Asked]] = []
        self._rows = 0
        self._scheduled = False
        self._busy = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        try:
            if path.startswith(PREDICT):
                body = await self._predict(path[len(PREDICT) :], scope["method"], receive)
                await send({"type": "http.response.start", "status": 200, "headers": [_JSON, _length(body)]})
                await send({"type": "http.response.body", "body": body})
            else:
                await self._other(path, scope, receive, send)
        except RefusedError as refused:
            await _respond(send, refused.code, _encode(refused.body), retry=refused.code == 503)  # noqa: PLR2004
        except msgspec.DecodeError as error:
            told = {
                "error": "the request cannot be read",
                "cause": str(error),
                "cure": 'send {"rows": [{"column": value, …}]} as JSON',
            }
            await _respond(send, 400, _encode(told))
        except MulleError as error:
            await _respond(send, _code(error), _encode(told_of(error)))

    async def _predict(self, name: str, method: str, receive: Receive) -> bytes:
        """The hot path: it avoids a coroutine where it can."""
        if method != "POST":
            raise RefusedError(405, "rows are sent by POST", f"this was {method}", 'POST {"rows": [{…}]}')
        message = await receive()
        if message.get("more_body") or len(message["body"]) > self._settings.max_body_bytes:
            body = await self.body(receive, message)
        else:
            body = message["body"]
        served = self.plane.served(name)
        asked = served.ask(served.shape.decode(body), self.plane.ids)
        await self._queued(served, asked)
        if asked.error is not None:
            raise asked.error
        return _encode({"predictions": asked.answers})

    async def _other(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if path == "/metrics":
            await _respond(send, 200, self._metrics().encode(), kind=_TEXT)
        elif path == "/v2" or path.startswith("/v2/"):
            code, answer = await inference.respond(self, scope["method"], path, receive)
            await _respond(send, code, _encode(answer))
        elif path in ("/", "/predict"):
            await _respond(send, 200, _encode({"deployments": self.plane.names()}))
        else:
            raise RefusedError(404, f"there is no {path}", "the path is unknown", "POST /predict/<deployment>, GET /v2")

    async def body(self, receive: Receive, first: MutableMapping[str, Any] | None = None) -> bytes:
        """The whole body of a request, of which `first` has been received already.

        Raises:
            RefusedError: it is larger than the limit.
        """
        message = await receive() if first is None else first
        body: bytes = message.get("body", b"")
        while message.get("more_body") and len(body) <= self._settings.max_body_bytes:
            message = await receive()
            body += message.get("body", b"")
        if len(body) > self._settings.max_body_bytes:
            raise RefusedError(
                413,
                f"the body has more than {self._settings.max_body_bytes} bytes",
                "one request is held in memory whole",
                "send fewer rows at once",
            )
        return body

    async def answer(self, served: Served, asked: Asked) -> None:
        """Wait for the turn that answers these rows.

        Raises:
            RefusedError: too many rows, in the request or in the queue.
            MulleError: the model failed on these rows.
        """
        await self._queued(served, asked)
        if asked.error is not None:
            raise asked.error

    def _queued(self, served: Served, asked: Asked) -> asyncio.Future[None]:
        """Put rows into the queue; the future is done when they are answered."""
        n = len(asked.ids)
        if n > self._settings.max_rows:
            raise RefusedError(
                413, f"{n} rows are too many", f"the limit is {self._settings.max_rows}", "send fewer rows at once"
            )
        if self._rows + n > self._settings.max_pending_rows:
            raise RefusedError(503, "the server is busy", f"{self._rows} rows are waiting", "try again in a second")
        loop = asyncio.get_running_loop()
        asked.done = loop.create_future()
        self._waiting.append((served, asked))
        self._rows += n
        if not self._scheduled and not self._busy:
            self._scheduled = True
            loop.call_soon(self._turn)
        return asked.done

    def _turn(self) -> None:
        """Answer what waits: at once, or in a thread when a slow model is among it."""
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if any(served.slow for served, _ in waiting):
            self._busy = True
            task = asyncio.get_running_loop().run_in_executor(None, self.plane.turn, waiting)
            task.add_done_callback(lambda _: self._slow_done(waiting))
            return
        self.plane.turn(waiting)
        self._finish(waiting)

    def _slow_done(self, waiting: Sequence[tuple[Served, Asked]]) -> None:
        self._busy = False
        self._finish(waiting)
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _finish(self, waiting: Sequence[tuple[Served, Asked]]) -> None:
        for _, asked in waiting:
            self._rows -= len(asked.ids)
            if asked.done is not None and not asked.done.done():  # a caller who is gone has cancelled it
                asked.done.set_result(None)
        beside = [(served, asked) for served, asked in waiting if served.plan.shadow]
        if beside:
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: loop.run_in_executor(None, self.plane.shadow, beside) and None)


def _length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))


async def _respond(
    send: Send, code: int, body: bytes, *, kind: tuple[bytes, bytes] = _JSON, retry: bool = False
) -> None:
    headers = [kind, _length(body)]
    if retry:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def told_of(error: MulleError) -> dict[str, Any]:
    """An error as JSON."""
    return {"error": error.message, "cause": error.cause, "cure": error.cure}


def _code(error: MulleError) -> int:
    if isinstance(error, UnknownNameError):
        return 404
    return 400 if isinstance(error, UsageError | ServingError) else 500
