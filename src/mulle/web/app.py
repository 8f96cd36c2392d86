"""The web UI as an application: pages, static files, and what a page says when something is wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount

from mulle.errors import MulleError, UnknownNameError, UsageError
from mulle.web import assets
from mulle.web.pages import (
    audit,
    backtests,
    datasets,
    deployments,
    home,
    models,
    pipelines,
    predictions,
    resources,
    runs,
    studies,
    timeline,
)
from mulle.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

PAGES = (
    home,
    runs,
    pipelines,
    datasets,
    models,
    deployments,
    predictions,
    timeline,
    backtests,
    studies,
    resources,
    audit,
)
_LOG = logging.getLogger("mulle.web")


def app(
    workspace: Any,
    *,
    routes: Sequence[BaseRoute] = (),
    middleware: Sequence[Any] = (),
    language: str = "en",
    problem: Callable[[], MulleError | None] = lambda: None,
) -> Starlette:
    """The pages of a workspace.

    Args:
        workspace: its services, by plane, as attributes.
        routes: what is served beside the pages, such as the HTTP face.
        middleware: who guards both.
        language: that of visitors who ask for none.
        problem: what is wrong with the project now; every page says it.
    """
    assets.warn_if_missing()
    site = Site(workspace, language=language, problem=problem)
    static = Mount("/static", assets.Static(directory=assets.STATIC))
    pages = [route for page in PAGES for route in page.routes(site)]
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        MulleError: _page_of_error(site),
        HTTPException: _page_of_status(site),
        Exception: _page_of_accident(site),
    }
    return Starlette(routes=[*routes, static, *pages], middleware=middleware, exception_handlers=handlers)


def _template(request: Request) -> str:
    """A page, or what is put into the place of a part of one."""
    return "problem.html" if "hx-request" in request.headers else "error.html"


def _page_of_error(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def page(request: Request, error: Exception) -> Response:
        if not isinstance(error, MulleError):
            raise error
        status = 404 if isinstance(error, UnknownNameError) else 400 if isinstance(error, UsageError) else 500
        values = {"error": error.message, "cause": error.cause, "cure": error.cure}
        return site.render(request, _template(request), status=status, **values)

    return page


def _page_of_status(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def page(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        words = site.words(request)
        message = words("error.not_found") if error.status_code == 404 else str(error.detail)  # noqa: PLR2004
        return site.render(request, _template(request), status=error.status_code, error=message, cause=None, cure=None)

    return page


def _page_of_accident(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def page(request: Request, error: Exception) -> Response:
        _LOG.error("%s failed", request.url.path, exc_info=error)
        message = site.words(request)("error.accident")
        return site.render(request, _template(request), status=500, error=message, cause=repr(error), cure=None)

    return page
