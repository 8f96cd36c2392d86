"""Forms of the pages: what a person typed, and the verb that it becomes, acted by that person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool

from mulle.access import principal
from mulle.errors import AccessError
from mulle.verbs import acting

if TYPE_CHECKING:
    from starlette.requests import Request

LIMIT = 64 * 1024


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form that a page of this server sent.

    Raises:
        AccessError: it was sent by another site's page, or is too large to be a form.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        raise AccessError(
            "another site's page may not change anything here", cause=f"it was sent by {origin}", cure="mulle server"
        )
    body = await request.body()
    if len(body) > LIMIT:
        raise AccessError("this form is too large", cause=f"{len(body)} bytes", cure="use the command line")
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


async def act(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a verb as the person who uses this server."""
    with acting(actor=principal()):
        return await run_in_threadpool(verb, *args, **kwargs)
