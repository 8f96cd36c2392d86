"""How much a model version answered, from the log of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from mulle.workspace.planes import Planes


def answered(ws: Planes, version: str) -> tuple[int, float]:
    """How many answers a version (`delay@3`) gave, in whatever role, and in how many seconds together."""
    count, microseconds = 0, 0
    for deployment in ws.predictions.log.deployments():
        table = ws.predictions.scan(deployment, columns=["model", "latency_us"])
        mine = table.filter(pl.col("model") == version)["latency_us"]
        count, microseconds = count + mine.len(), microseconds + int(mine.sum() or 0)
    return count, microseconds / 1e6
