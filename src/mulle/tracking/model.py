"""The records of tracking."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

RunStatus = Literal["running", "succeeded", "failed", "cancelled"]


class Run(msgspec.Struct, frozen=True):
    """One execution: of a pipeline, or of plain code inside `mulle.start_run()`."""

    id: str
    kind: Literal["pipeline", "tracked"]
    pipeline: str
    experiment: str
    status: RunStatus
    created: datetime
    ended: datetime | None
    params: dict[str, Any]
    metrics: dict[str, float]
    as_of: datetime | None
    project_version: str
    actor: str
    reason: str
    cause: str
    error: str


class Point(msgspec.Struct, frozen=True):
    """One value of a metric."""

    step: int
    value: float
    at: datetime


class Artifact(msgspec.Struct, frozen=True):
    """A file or folder that a run kept: the digest of the object, or of the tree's manifest."""

    name: str
    digest: str
    kind: Literal["file", "tree"]
    bytes: int
