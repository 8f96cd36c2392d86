"""What an error is called in HTTP. Nobody below the faces knows these codes."""

from __future__ import annotations

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


def status_of(error: errors.MulleError) -> int:
    """The HTTP status of an error: that of its nearest ancestor in the table."""
    return next(_STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in _STATUS)


def answer(error: errors.MulleError) -> Response:
    """An error as a response."""
    body = msgspec.json.encode(wire.problem(error))
    return Response(body, status_of(error), {wire.KIND_HEADER: type(error).__name__}, media_type=wire.JSON)


async def on_mulle_error(_: Request, error: Exception) -> Response:
    """The exception handler of the HTTP face."""
    if not isinstance(error, errors.MulleError):
        raise error
    return answer(error)
