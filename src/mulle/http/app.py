"""The HTTP face: every verb, every object, the OpenAPI document and whether the server is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from mulle.client import wire
from mulle.client.verbtable import verbs_by_name
from mulle.http import calls, objects, openapi
from mulle.http.guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute


class Served(Protocol):
    """What the face needs of a workspace."""

    @property
    def store(self) -> objects.Objects:
        """Where the bytes are."""

    @property
    def root(self) -> Path:
        """The workspace's own folder, for objects on their way."""

    def services(self) -> Mapping[str, Any]:
        """The services by plane."""


def routes(workspace: Served) -> list[BaseRoute]:
    """The routes of the face, to be served alone or beside the pages."""
    services = workspace.services()
    table = verbs_by_name(services)
    described = msgspec.json.encode(openapi.document(table.values(), version("mulle")))

    async def describe(_: Request) -> Response:
        return Response(described, media_type=wire.JSON)

    async def health(_: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type=wire.JSON)

    return [
        Route("/healthz", health),
        Route("/openapi.json", describe),
        *calls.routes(services, table),
        calls.unknown_verb(table),
        *objects.routes(workspace.store, workspace.root / "tmp" / "incoming"),
    ]


def app(workspace: Served, *, hosts: Iterable[str] = ()) -> Starlette:
    """The face as an application of its own; `hosts` are the names that it answers to besides loopback."""
    return Starlette(routes=routes(workspace), middleware=[Middleware(Guard, hosts=frozenset(hosts))])
