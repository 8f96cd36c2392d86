"""The files that browsers load: named by their content, so that they may be cached for ever, and loaded by page."""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.types import Scope

STATIC = Path(__file__).with_name("static")
VENDOR = ("htmx.js", "uplot.js", "uplot.css", "echarts.js", "dagre.js")
_STYLE = Markup('<link rel="stylesheet" href="{}">')
_SCRIPT = Markup('<script defer src="{}"></script>')
_LOG = logging.getLogger("mulle.web")


def missing() -> list[str]:
    """The built assets that are not there: a source checkout needs `make setup` once."""
    return [name for name in VENDOR if not (STATIC / "vendor" / name).is_file()]


def warn_if_missing() -> None:
    """Say in the log what is missing, and what brings it."""
    lost = missing()
    if lost:
        _LOG.warning("the web UI lacks %s: plots, graphs and search will not work. Cure: make setup", ", ".join(lost))


@functools.cache
def _stamp(name: str, _modified: int) -> str:
    return hashlib.blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()


def url(name: str) -> str:
    """The address of a static file, with its content's stamp."""
    path = STATIC / name
    return f"/static/{name}?v={_stamp(name, path.stat().st_mtime_ns)}" if path.is_file() else f"/static/{name}"


def _here(name: str) -> bool:
    return (STATIC / name).is_file()


def load(*names: str) -> Markup:
    """The tags that load static files; those that are missing are left out."""
    tags = [
        _STYLE.format(url(name)) if name.endswith(".css") else _SCRIPT.format(url(name))
        for name in names
        if _here(name)
    ]
    return Markup("\n").join(tags)


class Static(StaticFiles):
    """Static files that are kept by browsers for as long as their stamp is asked for."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
