"""Answers: in this process for a few rows, or by a server with workers; one data plane for both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import ServingError, UnknownNameError
from mulle.serving.lookup import open_online
from mulle.serving.plane import Answer, DataPlane
from mulle.serving.server import Layout, Server
from mulle.spool import SpoolWriter

if TYPE_CHECKING:
    from mulle.serving.model import Deployment
    from mulle.serving.plane import Served
    from mulle.workspace.facade import Workspace


def answer(ws: Workspace, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Answer rows as the endpoint would; every answer is logged before it is returned.

    Raises:
        UnknownNameError: there is no such deployment.
        ServingError: a column is missing or of another type, or there are no rows.
    """
    shown = _deployed(ws, name)
    spool = SpoolWriter(ws.root / "spool" / "predictions", f"cli-{os.getpid()}-{ws.ids.new()[-8:]}", ws.clock)
    try:
        online = open_online(ws.root / "online.db", ws.clock)
        plane = DataPlane(spool, ws.clock, ws.ids, ws.signer, online)
        plane.apply(ws.deployments.plan(name))
        served = plane.served(name)
        asked = served.ask(_decoded(served, rows, shown.live.model_ref), plane.ids)
        plane.turn([(served, asked)])
        if served.plan.shadow:
            plane.shadow([(served, asked)])
    finally:
        spool.close()
    if asked.error is not None:
        raise asked.error
    return [given for given in asked.answers if given is not None]


def _deployed(ws: Workspace, name: str) -> Deployment:
    try:
        return ws.deployments.show(name)
    except UnknownNameError:
        if name not in ws.project.definitions.all("deployment"):
            raise
        raise ServingError(
            f"'{name}' answers nothing yet", cause="it is defined and not deployed", cure=f"mulle deploy {name}"
        ) from None


def _decoded(served: Served, rows: Sequence[Mapping[str, Any]], model: str) -> Any:
    """The rows as the endpoint would read them."""
    try:
        return served.shape.decode(msgspec.json.encode({"rows": rows}))
    except msgspec.DecodeError as error:
        raise ServingError("a row cannot be read", cause=str(error), cure=f"mulle models show {model}") from None


def server(ws: Workspace, name: str | None, *, host: str, port: int, workers: int) -> Server:
    """A server over this workspace's folders, not yet started."""
    if name is not None:
        _deployed(ws, name)
    layout = Layout(
        spool=ws.root / "spool" / "predictions",
        keys=ws.root / "keys",
        state=ws.root / "serving",
        online=ws.root / "online.db",
        paths=(ws.settings.root,),
        behind=ws.settings.behind,
    )
    return Server(
        ws.deployments,
        layout,
        deployment=name,
        host=host,
        port=port,
        workers=workers,
        compact=ws.predictions.compact,
    )
