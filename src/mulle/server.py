"""One server for people and programs: the web UI and the HTTP face on one address, and the wheel that keeps turning.

The two faces do not know of each other; this is where they meet.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import uvicorn
from starlette.middleware import Middleware

from mulle import http, web
from mulle.errors import AccessError, MulleError, UsageError
from mulle.verbs import acting

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mulle.workspace import Workspace

LONGEST_NAP = timedelta(seconds=30)
_LOG = logging.getLogger("mulle.server")


def app(workspace: Workspace, *, hosts: Iterable[str] = ()) -> Starlette:
    """Pages and HTTP face as one application, guarded together; `hosts` are names it answers to besides loopback."""
    guard = Middleware(http.Guard, hosts=frozenset(hosts))
    return web.app(workspace, routes=http.routes(workspace), middleware=[guard], language=workspace.settings.language)


def serve(
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    turn: bool = True,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; with `turn`, triggers fire and rollouts move meanwhile.

    Raises:
        AccessError: `host` is not loopback: there is no authentication yet, so nobody else may reach it.
        UsageError: the port is in use.
    """
    listener = listen(host, port)
    url = f"http://{'[' + host + ']' if ':' in host else host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(app(workspace), log_level="warning", lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    stopping = threading.Event()
    wheel = threading.Thread(target=keep_turning, args=(workspace, stopping), name="wheel", daemon=True)
    if turn:
        wheel.start()
    if on_start is not None:
        on_start(url)
    try:
        server.run(sockets=[listener])
    finally:
        stopping.set()
        if turn:
            wheel.join(timeout=5)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on loopback."""
    if not http.is_loopback(host):
        raise AccessError(
            f"mulle does not listen on {host}",
            cause="there is no authentication yet, and whoever reaches the server may change everything",
            cure="use 127.0.0.1, and reach it from elsewhere through ssh: ssh -L 8300:127.0.0.1:8300 HOST",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        cure = "mulle server --port 0 takes any free one"
        raise UsageError(f"port {port} cannot be used", cause=str(error.strerror), cure=cure) from None
    listener.listen(128)
    return listener


def keep_turning(workspace: Workspace, stopping: threading.Event) -> None:
    """Turn the wheel until told to stop: when the last turn asked for it, and at least every half minute."""
    while not stopping.is_set():
        nap = LONGEST_NAP
        try:
            with acting(actor="server"):
                report = workspace.turn()
            if report.wake is not None:
                nap = min(LONGEST_NAP, max(timedelta(seconds=1), report.wake - workspace.clock.now()))
        except MulleError as error:
            _LOG.warning("a turn of the wheel failed: %s", error)
        stopping.wait(nap.total_seconds())
