"""Answers: in this process for a few rows, or by a server with workers; one data plane for both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.serving.lookup import open_online
from mulle.serving.plane import Answer, DataPlane
from mulle.serving.server import Layout, Server
from mulle.spool import SpoolWriter

if TYPE_CHECKING:
    from mulle.workspace.facade import Workspace


def answer(ws: Workspace, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Answer rows as the endpoint would; every answer is logged before it is returned.

    Raises:
        UnknownNameError: there is no such deployment.
        ServingError: a column is missing, or there are no rows.
    """
    ws.deployments.show(name)
    spool = SpoolWriter(ws.root / "spool" / "predictions", f"cli-{os.getpid()}-{ws.ids.new()[-8:]}", ws.clock)
    try:
        online = open_online(ws.root / "online.db", ws.clock)
        plane = DataPlane(spool, ws.clock, ws.ids, ws.signer, online)
        plane.apply(ws.deployments.plan(name))
        served = plane.served(name)
        asked = served.ask(served.shape.decode(msgspec.json.encode({"rows": rows})), plane.ids)
        plane.turn([(served, asked)])
        if served.plan.shadow:
            plane.shadow([(served, asked)])
    finally:
        spool.close()
    if asked.error is not None:
        raise asked.error
    return [given for given in asked.answers if given is not None]


def server(ws: Workspace, name: str | None, *, host: str, port: int, workers: int) -> Server:
    """A server over this workspace's folders, not yet started."""
    if name is not None:
        ws.deployments.show(name)
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
