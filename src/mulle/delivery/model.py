"""The frozen records of delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from mulle.delivery.firing import Reason
from mulle.delivery.gate import CheckResult

FiringStatus = Literal["pending", "succeeded", "failed"]
RolloutStatus = Literal["active", "watching", "done", "rolled_back", "superseded"]


class TriggerSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What starts a pipeline, when it last did, and when a schedule next will."""

    pipeline: str
    on: list[dict[str, Any]]
    cooldown: float
    """Seconds."""
    fired: datetime | None
    next: datetime | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A start that somebody asked for; the next turn of the wheel makes it."""

    number: int
    pipeline: str
    at: datetime
    reason: str
    event: str


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """One decision to start a pipeline, with its evidence, and what became of the run."""

    number: int
    id: str
    pipeline: str
    at: datetime
    rule: str
    """The kinds of the causes that held, as "drift, quality_drop"."""
    evidence: list[Reason]
    status: FiringStatus
    run: str
    cpu_seconds: float
    error: str
    event: str
    as_of: datetime | None = None
    """The instant that it was scheduled for, as of which its run reads."""


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate of a deployment said about one model version."""

    deployment: str
    model: str
    version: int
    at: datetime
    champion: str
    passed: bool
    reason: str
    checks: list[CheckResult]
    event: str


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """How far the traffic of a deployment has moved to one model version. `former` served before it."""

    id: str
    deployment: str
    model: str
    version: int
    former: str
    stage: int
    since: datetime
    status: RolloutStatus
    reason: str
    started: datetime
    ended: datetime | None
    cause: str
    event: str

    @property
    def ref(self) -> str:
        """The model version, as one writes it."""
        return f"{self.model}@{self.version}"


class Moved(msgspec.Struct, frozen=True):
    """One step of a rollout that a turn took."""

    rollout: str
    deployment: str
    model: str
    action: str
    reason: str


class TurnReport(msgspec.Struct, frozen=True):
    """What one turn of the wheel did, and when there will be something to do by itself again."""

    at: datetime
    arrived: list[str]
    answered: int
    alerts: list[str]
    fired: list[Firing]
    verdicts: list[GateVerdict]
    moves: list[Moved]
    wake: datetime | None
