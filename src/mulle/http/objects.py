"""Bytes by digest: the only way in which bytes travel. Verbs exchange digests.

    GET, HEAD  /objects/<digest>            whole or by range
    PUT        /objects/<digest>            whole, or the next piece of it (content-range)
    GET        /objects/<digest>/received   how much of it has arrived in pieces
    GET, PUT   /objects/<digest>/recipe     how it is made of other objects, where it does not lie here itself
    GET        /objects                     the digests of all objects
    POST       /objects/missing             digests → those that are not here
    POST       /objects/pack                a sealed pack → its objects are here
    POST       /objects/read                digests → a sealed pack with the first of them
    POST       /objects/verify              what is damaged, a line each

Lists of digests are 32 bytes each, one after another. What arrives is kept only if it is what its name says.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from mulle.client import wire
from mulle.errors import StoreError, UnknownNameError, UsageError
from mulle.hashing import digest_file, from_raw, to_raw
from mulle.http.errors import telling
from mulle.http.incoming import Incoming, content_range
from mulle.store import packing
from mulle.types import Digest

if TYPE_CHECKING:
    from starlette.requests import Request

    from mulle.store import Damage

SMALL = 1 << 20
"""Objects up to this length travel in packs."""
LARGEST_PACK = 64 << 20
LARGEST_LIST = 4 << 20
_DIGEST = re.compile(r"^b3:[0-9a-f]{64}$")
_FOREVER = "public, max-age=31536000, immutable"
_BYTES = "application/octet-stream"
_RAW = 32
_LOT = 4096
T = TypeVar("T")


class Objects(Protocol):
    """What the routes need of an object store."""

    def put(self, data: bytes) -> Digest:
        """Keep bytes; return their digest."""

    def put_file(self, path: Path) -> Digest:
        """Keep a file's bytes; return their digest."""

    def get(self, digest: Digest) -> bytes:
        """The bytes of an object, verified."""

    def path(self, digest: Digest) -> Path:
        """A local file with the bytes of an object, verified."""

    def has(self, digest: Digest) -> bool:
        """Whether the object is here."""

    def size(self, digest: Digest) -> int:
        """The length of an object."""

    def flush(self) -> None:
        """Make everything put so far durable."""

    def digests(self) -> Iterator[Digest]:
        """The names of all objects."""

    def verify(self) -> Iterator[Damage]:
        """Read everything and yield what is damaged."""


def routes(store: Objects, folder: Path | None = None) -> list[Route]:
    """The routes above; `folder` is for what arrives, until it is whole."""
    arriving = Incoming(folder)
    one, many = _One(store, arriving), _Many(store)
    table: list[tuple[str, str, Callable[[Request], Any]]] = [
        ("/objects/missing", "POST", many.missing),
        ("/objects/pack", "POST", many.keep),
        ("/objects/read", "POST", many.read),
        ("/objects/verify", "POST", many.verify),
        ("/objects", "GET", many.every),
        ("/objects/{digest}/received", "GET", one.received),
        ("/objects/{digest}/recipe", "GET", one.recipe),
        ("/objects/{digest}/recipe", "PUT", one.take_recipe),
        ("/objects/{digest}", "GET", one.read),
        ("/objects/{digest}", "PUT", one.write),
    ]
    return [Route(path, telling(endpoint), methods=[method]) for path, method, endpoint in table]


class _One:
    """One object, in the URL."""

    def __init__(self, store: Objects, arriving: Incoming) -> None:
        self._store = store
        self._arriving = arriving

    async def read(self, request: Request) -> Response:
        digest = _digest(request)
        if not await run_in_threadpool(self._store.has, digest):
            raise _absent(digest)
        headers = {"etag": f'"{digest}"', "cache-control": _FOREVER, "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        path = await run_in_threadpool(self._store.path, digest)
        return FileResponse(path, headers=headers, media_type=_BYTES)

    async def received(self, request: Request) -> Response:
        digest = _digest(request)
        there = await run_in_threadpool(self._store.has, digest)
        count = -1 if there else await run_in_threadpool(self._arriving.received, digest)
        return Response(msgspec.json.encode({"there": there, "received": count}), media_type=wire.JSON)

    async def recipe(self, request: Request) -> Response:
        digest = _digest(request)
        find: Callable[[Digest], bytes | None] | None = getattr(self._store, "recipe", None)
        told = None if find is None else await run_in_threadpool(find, digest)
        if told is None:
            raise UnknownNameError(
                f"there is no recipe of {digest}", cause="it lies here itself, or not at all", cure="GET the object"
            )
        return Response(told, media_type=_BYTES)

    async def take_recipe(self, request: Request) -> Response:
        digest, told = _digest(request), await _body(request, LARGEST_PACK)
        take: Callable[[Digest, bytes], None] | None = getattr(self._store, "take_recipe", None)
        if take is None:
            raise UsageError("this store keeps objects whole", cause="it has no recipes", cure="send the object itself")
        if not await run_in_threadpool(self._store.has, digest):
            await run_in_threadpool(_given, take, digest, told)
        return Response(status_code=201)

    async def write(self, request: Request) -> Response:
        digest = _digest(request)
        done = await run_in_threadpool(self._store.has, digest)
        if not done and (piece := request.headers.get("content-range")):
            done = await self._piece(request, digest, *content_range(piece))
        elif not done:
            await self._whole(request, digest)
            done = True
        return Response(status_code=201 if done else 202, headers={"etag": f'"{digest}"'})

    async def _whole(self, request: Request, digest: Digest) -> None:
        await run_in_threadpool(self._arriving.require_room, _length(request))
        with self._arriving.whole() as path:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    await run_in_threadpool(file.write, chunk)
            await run_in_threadpool(self._keep, path, digest)

    async def _piece(self, request: Request, digest: Digest, start: int, length: int, total: int) -> bool:
        """Append a piece that arrives whole; True when it was the last and the object is kept."""
        if start == 0:
            await run_in_threadpool(self._arriving.sweep)
        with self._arriving.piece(digest, start, total - start) as file:
            written = 0
            async for chunk in request.stream():
                written += len(chunk)
                if written > length:
                    break
                await run_in_threadpool(file.write, chunk)
            if written != length:
                raise UsageError(
                    f"the piece of {digest} has another length than its content-range",
                    cause=f"{length} bytes were to come, {written} or more came",
                    cure="send the piece again",
                )
        if start + length < total:
            return False
        try:
            await run_in_threadpool(self._keep, self._arriving.path(digest), digest)
        finally:
            await run_in_threadpool(self._arriving.drop, digest)
        return True

    def _keep(self, path: Path, digest: Digest) -> None:
        found = digest_file(path)
        if found != digest:
            raise UsageError(
                f"these bytes are not {digest}",
                cause=f"their digest is {found}",
                cure="send the object again, whole and unchanged",
            )
        self._store.put_file(path)
        self._store.flush()


class _Many:
    """Many objects, in the body."""

    def __init__(self, store: Objects) -> None:
        self._store = store

    async def every(self, _: Request) -> Response:
        return StreamingResponse(_in_lots(self._store.digests()), media_type=_BYTES)

    async def missing(self, request: Request) -> Response:
        asked = _digests(await _body(request, LARGEST_LIST))
        absent = await run_in_threadpool(self._missing, asked)
        return Response(b"".join(map(to_raw, absent)), media_type=_BYTES)

    def _missing(self, asked: list[Digest]) -> list[Digest]:
        many: Callable[[list[Digest]], list[Digest]] | None = getattr(self._store, "missing", None)
        return [each for each in asked if not self._store.has(each)] if many is None else many(asked)

    async def keep(self, request: Request) -> Response:
        body = await _body(request, LARGEST_PACK)
        kept = await run_in_threadpool(self._keep, body)
        return Response(msgspec.json.encode({"objects": kept}), 201, media_type=wire.JSON)

    def _keep(self, body: bytes) -> int:
        objects: list[tuple[bytes, bytes]] = _given(
            list, packing.objects_in(body, "what was sent")
        )  # all are verified before one is kept
        many: Callable[[list[bytes]], list[Digest]] | None = getattr(self._store, "put_many", None)
        if many is not None:
            many([data for _, data in objects])
        for _, data in objects if many is None else ():
            self._store.put(data)
        self._store.flush()
        return len(objects)

    async def read(self, request: Request) -> Response:
        asked = _digests(await _body(request, LARGEST_LIST))
        return Response(await run_in_threadpool(self._read, asked), media_type=_BYTES)

    def _read(self, asked: list[Digest]) -> bytes:
        """The first of the objects, in their order, that fit one pack; larger ones are passed over."""
        found: list[tuple[bytes, bytes]] = []
        weight = 0
        for digest in asked:
            if not self._store.has(digest):
                raise _absent(digest)
            size = self._store.size(digest)
            if size > SMALL:
                continue
            weight += size
            if weight > packing.LIMIT and found:
                break
            found.append((to_raw(digest), self._store.get(digest)))
        return packing.seal(found).data

    async def verify(self, _: Request) -> Response:
        return StreamingResponse((wire.line_of(each) for each in self._store.verify()), media_type=wire.NDJSON)


def _given(call: Callable[..., T], *arguments: Any) -> T:
    """The call's result; what it finds wrong with what was sent is the sender's fault."""
    try:
        return call(*arguments)
    except StoreError as error:
        raise UsageError(error.message, cause=error.cause, cure=error.cure) from error


async def _body(request: Request, limit: int) -> bytes:
    """The body, if it is not longer than that."""
    found = bytearray()
    too_long = _length(request) > limit
    async for chunk in request.stream():
        too_long = too_long or len(found) + len(chunk) > limit
        if too_long:
            break
        found += chunk
    if too_long:
        raise UsageError(
            "the body is too long", cause=f"at most {limit:,} bytes are taken", cure="send it in several requests"
        )
    return bytes(found)


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdigit() else 0


def _digest(request: Request) -> Digest:
    text: str = request.path_params["digest"]
    if _DIGEST.match(text) is None:
        raise UsageError(
            f"'{text}' is not a digest", cause="a digest is b3: and 64 hexadecimal digits", cure="mulle data log"
        )
    return Digest(text)


def _digests(body: bytes) -> list[Digest]:
    if len(body) % _RAW:
        raise UsageError(
            "the body is no list of digests", cause=f"its length is no multiple of {_RAW}", cure="send raw digests"
        )
    return [from_raw(body[at : at + _RAW]) for at in range(0, len(body), _RAW)]


def _in_lots(digests: Iterator[Digest]) -> Iterator[bytes]:
    while lot := list(itertools.islice(digests, _LOT)):
        yield b"".join(map(to_raw, lot))


def _absent(digest: Digest) -> UnknownNameError:
    return UnknownNameError(f"there is no object {digest}", cause="it is not in this store", cure="mulle data verify")
