"""One route a verb: arguments from a JSON body, the result as JSON, an iterator as lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mulle.access import principal
from mulle.client import wire
from mulle.errors import MulleError, UsageError, unknown
from mulle.http.errors import Endpoint, telling
from mulle.verbs import Live, acting

if TYPE_CHECKING:
    from starlette.requests import Request

    from mulle.client.verbtable import Verb

Call = Callable[..., Any]
_LOOK_SECONDS = 0.25
_QUIET_LOOKS = 20


def routes(services: Mapping[str, Any], table: Mapping[str, Verb]) -> list[Route]:
    """`POST /api/v1/<plane>.<verb>` for each verb."""
    return [
        Route(verb.path, telling(_endpoint(verb, getattr(services[verb.plane], verb.name))), methods=["POST"])
        for verb in table.values()
    ]


def unknown_verb(table: Mapping[str, Verb]) -> Route:
    """The route for what is called but does not exist."""

    async def endpoint(request: Request) -> Response:
        raise unknown("verb", request.path_params["name"], table, cure="see /openapi.json")

    return Route("/api/v1/{name:path}", telling(endpoint), methods=["GET", "POST"])


def _endpoint(verb: Verb, function: Call) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = _arguments(verb, request.headers.get("content-type", ""), await request.body())
        return await run_in_threadpool(_call, verb, function, given, wire.acting_of(request.headers))

    return endpoint


def _arguments(verb: Verb, media: str, body: bytes) -> msgspec.Struct:
    cure = f"see {verb.full} in /openapi.json"
    if media.partition(";")[0].strip().lower() != wire.JSON:
        raise UsageError("the body must be JSON", cause=f"its content type is '{media}'", cure=f"send {wire.JSON}")
    try:
        return msgspec.json.decode(body or b"{}", type=verb.arguments)
    except msgspec.DecodeError as error:
        raise UsageError(f"{verb.full} does not take these arguments", cause=str(error), cure=cure) from None


def _call(verb: Verb, function: Call, given: msgspec.Struct, why: dict[str, str]) -> Response:
    with acting(actor=principal(), far=True, **why):
        result = verb.invoke(function, given)
        if not verb.streams:
            return Response(msgspec.json.encode(result), media_type=wire.JSON)
    lines = _live(result) if isinstance(result, Live) else _lines(result)
    return StreamingResponse(lines, media_type=wire.NDJSON)


async def _live(items: Live) -> AsyncIterator[bytes]:
    """As `_lines`, of what grows: no thread waits for it, and an empty line shows now and then that we are there."""
    quiet = 0
    try:
        while (found := await run_in_threadpool(items.poll)) is not None:
            for item in found:
                yield wire.line_of(item)
            quiet = 0 if found else quiet + 1
            if quiet % _QUIET_LOOKS == 1:
                yield b"\n"
            if not found:
                await asyncio.sleep(_LOOK_SECONDS)
    except MulleError as error:
        yield wire.line_of(wire.problem(error))


def _lines(items: Iterator[Any]) -> Iterator[bytes]:
    """The status is sent before the first item, so an error on the way becomes the last line."""
    try:
        for item in items:
            yield wire.line_of(item)
    except MulleError as error:
        yield wire.line_of(wire.problem(error))
