"""HTTP by the standard library: one request a call, results decoded to the types that the verb declares."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mulle.client import wire
from mulle.client.verbtable import Verb
from mulle.errors import AccessError, MulleError, UsageError
from mulle.types import Digest
from mulle.verbs import current


class Transport:
    """Calls one server. Safe from any thread: it keeps nothing between calls."""

    def __init__(self, url: str, timeout: float = 600.0) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise UsageError(
                f"'{url}' is not a server", cause="it is no http URL", cure="write for example http://127.0.0.1:8300"
            )
        self.url = url.rstrip("/")
        self._timeout = timeout

    def call(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        """Call a verb; an iterator's items come as they are made.

        Raises:
            MulleError: of the class that it had on the server.
        """
        headers = {"content-type": wire.JSON, **wire.acting_headers(current())}
        response = self._send("POST", verb.path, msgspec.json.encode(arguments), headers)
        if verb.streams:
            return _items(response, verb.result)
        with response:
            return msgspec.json.decode(response.read(), type=verb.result)

    def has(self, digest: Digest) -> bool:
        """Whether the server has an object."""
        try:
            self._send("HEAD", f"/objects/{digest}").close()
        except MulleError:
            return False
        return True

    def get(self, digest: Digest, start: int = 0, end: int | None = None) -> bytes:
        """The bytes of an object from `start` up to, without, `end`."""
        whole = start == 0 and end is None
        headers = {} if whole else {"range": f"bytes={start}-{'' if end is None else end - 1}"}
        with self._send("GET", f"/objects/{digest}", headers=headers) as response:
            return response.read()

    def put(self, digest: Digest, data: bytes) -> None:
        """Give the server an object; it refuses bytes that are not what `digest` says."""
        self._send("PUT", f"/objects/{digest}", data, {"content-type": "application/octet-stream"}).close()

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url + path, data=body, headers=headers or {}, method=method
        )
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=self._timeout)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error) from None
        except (urllib.error.URLError, TimeoutError) as error:
            cause = str(getattr(error, "reason", error))
            raise AccessError(f"{self.url} does not answer", cause=cause, cure="mulle server") from None
        return response


def _items(response: http.client.HTTPResponse, kind: Any) -> Iterator[Any]:
    with response:
        for line in response:
            if line != b"\n":  # nothing new, but the server is there
                yield wire.item_of(line, kind)


def _refused(error: urllib.error.HTTPError) -> MulleError:
    body = error.read()
    try:
        problem = msgspec.json.decode(body, type=wire.Problem)
    except msgspec.DecodeError:
        problem = wire.Problem(f"the server answered {error.code}", body.decode(errors="replace")[:200] or None, None)
    return wire.error_of(problem, error.headers.get(wire.KIND_HEADER))
