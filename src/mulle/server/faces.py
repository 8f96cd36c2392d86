"""One server for people and programs: the web UI and the HTTP face on one address, and the wheel that keeps turning.

The two faces do not know of each other; this is where they meet. The project's code, and with it the wheel, is in a
process of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

import uvicorn
from starlette.middleware import Middleware

import mulle.http as http  # noqa: PLR0402 - `mulle.http` is also the name of a source
from mulle import web
from mulle.errors import AccessError, MulleError, UsageError
from mulle.server.hosting import Host
from mulle.server.planes import Outside

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mulle.workspace import Workspace


def app(
    workspace: Workspace, *, hosts: Iterable[str] = (), problem: Callable[[], MulleError | None] = lambda: None
) -> Starlette:
    """Pages and HTTP face as one application, guarded together.

    Args:
        workspace: what they show.
        hosts: names that they answer to besides loopback.
        problem: what is wrong with the project now, for the pages to say.
    """
    guard = Middleware(http.Guard, hosts=frozenset(hosts))
    language = workspace.settings.language
    return web.app(workspace, routes=http.routes(workspace), middleware=[guard], language=language, problem=problem)


def serve(
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    turn: bool = True,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; with `turn`, triggers fire and rollouts move meanwhile.

    The project is imported by another process only, and the pages do not wait for it.

    Raises:
        AccessError: `host` is not loopback: there is no authentication yet, so nobody else may reach it.
        UsageError: the port is in use.
    """
    listener = listen(host, port)
    url = f"http://{'[' + host + ']' if ':' in host else host}:{listener.getsockname()[1]}"
    project = Host(workspace.settings.root, turn=turn)
    with closing(Outside(workspace, project)) as seen:
        faces = app(seen, problem=lambda: project.problem)
        server = uvicorn.Server(uvicorn.Config(faces, log_level="warning", lifespan="off", server_header=False))
        if on_start is not None:
            on_start(url)
        with project:  # last: until the pages are ready, it would only take processors from them
            server.run(sockets=[listener])


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
