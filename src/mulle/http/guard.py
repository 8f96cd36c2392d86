"""Who may call at all: only this machine's own pages and programs, until there is authentication.

A page of another site can make a browser send requests to loopback; it cannot forge `Host` or `Origin`. A name that was
rebound to 127.0.0.1 shows in `Host`. So both are checked, on every request that can change something.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from mulle.errors import AccessError
from mulle.http.errors import answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware: refuse a foreign `Host`, and a foreign `Origin` on anything but a read."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await answer(refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> AccessError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not (is_loopback(name) or name in self._hosts):
            return AccessError(
                f"the host '{name}' is not served here",
                cause="the Host header names neither loopback nor an allowed host",
                cure="open http://127.0.0.1 with the port that `mulle server` printed",
            )
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin is not None and urlsplit(origin).netloc != host:
            return AccessError(
                f"a page of {origin} may not change anything here",
                cause="the Origin header names another site",
                cure="call from a page of this server, or from a program",
            )
        return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
