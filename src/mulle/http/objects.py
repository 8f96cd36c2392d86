"""Bytes by digest: the only way in which bytes travel. Verbs exchange digests."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mulle.errors import UnknownNameError, UsageError
from mulle.hashing import digest_file
from mulle.http.errors import telling
from mulle.types import Digest

if TYPE_CHECKING:
    from starlette.requests import Request

_DIGEST = re.compile(r"^b3:[0-9a-f]{64}$")
_FOREVER = "public, max-age=31536000, immutable"


class Objects(Protocol):
    """What the routes need of an object store."""

    def put_file(self, path: Path) -> Digest:
        """Keep a file's bytes; return their digest."""

    def path(self, digest: Digest) -> Path:
        """A local file with the bytes of an object, verified."""

    def has(self, digest: Digest) -> bool:
        """Whether the object is here."""

    def flush(self) -> None:
        """Make everything put so far durable."""


def routes(store: Objects) -> list[Route]:
    """`GET` and `HEAD`, whole or by range, and `PUT` of `/objects/<digest>`."""

    async def read(request: Request) -> Response:
        digest = _digest(request)
        if not await run_in_threadpool(store.has, digest):
            raise UnknownNameError(
                f"there is no object {digest}", cause="it is not in this store", cure="mulle data verify"
            )
        headers = {"etag": f'"{digest}"', "cache-control": _FOREVER, "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        path = await run_in_threadpool(store.path, digest)
        return FileResponse(path, headers=headers, media_type="application/octet-stream")

    async def write(request: Request) -> Response:
        digest = _digest(request)
        if not await run_in_threadpool(store.has, digest):
            with tempfile.TemporaryDirectory() as folder:
                received = Path(folder) / "received"
                with received.open("wb") as file:
                    async for chunk in request.stream():
                        await run_in_threadpool(file.write, chunk)
                await run_in_threadpool(_keep, store, received, digest)
        return Response(status_code=201, headers={"etag": f'"{digest}"'})

    return [
        Route("/objects/{digest}", telling(read), methods=["GET"]),
        Route("/objects/{digest}", telling(write), methods=["PUT"]),
    ]


def _digest(request: Request) -> Digest:
    text: str = request.path_params["digest"]
    if _DIGEST.match(text) is None:
        raise UsageError(
            f"'{text}' is not a digest", cause="a digest is b3: and 64 hexadecimal digits", cure="mulle data log"
        )
    return Digest(text)


def _keep(store: Objects, received: Path, digest: Digest) -> None:
    found = digest_file(received)
    if found != digest:
        raise UsageError(
            f"these bytes are not {digest}",
            cause=f"their digest is {found}",
            cure="send the object again, whole and unchanged",
        )
    store.put_file(received)
    store.flush()
