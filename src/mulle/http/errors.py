"""What an error is called in HTTP. Nobody below the faces knows these codes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from mulle import errors
from mulle.client import wire

if TYPE_CHECKING:
    from starlette.requests import Request

_STATUS: dict[type[BaseException], int] = {
    errors.UnknownNameError: 404,
    errors.ProjectError: 422,
    errors.SchemaSkewError: 422,
    errors.UsageError: 400,
    errors.AccessError: 403,
    errors.StoreError: 500,
    errors.CatalogError: 500,
    errors.MulleError: 409,
}
_LOG = logging.getLogger("mulle.http")

Endpoint = Callable[["Request"], Awaitable[Response]]


def status_of(error: errors.MulleError) -> int:
    """The HTTP status of an error: that of its nearest ancestor in the table."""
    return next(_STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in _STATUS)


def answer(error: errors.MulleError) -> Response:
    """An error as a response."""
    body = msgspec.json.encode(wire.problem(error))
    return Response(body, status_of(error), {wire.KIND_HEADER: type(error).__name__}, media_type=wire.JSON)


def telling(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with everything that it raises told as JSON; a fault of mulle's own goes to the log as well."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except errors.MulleError as error:
            return answer(error)
        except Exception as error:  # noqa: BLE001 - told and logged, never swallowed
            _LOG.exception("%s failed", request.url.path)
            fault = wire.Problem(f"{type(error).__name__}: {error}", "a fault in mulle", "see the server's log")
            return Response(msgspec.json.encode(fault), 500, media_type=wire.JSON)

    return told
