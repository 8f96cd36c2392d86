"""The frozen records of monitoring."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from mulle.registry.model import ModelVersion


class Serving(msgspec.Struct, frozen=True):
    """Which model a deployment serves, and since when: what its monitors compare with."""

    deployment: str
    champion: ModelVersion
    since: datetime


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One firing of a monitor, with its evidence. `subjects` are the features that moved, or the metric."""

    number: int
    id: str
    at: datetime
    deployment: str
    watch: str
    champion: str
    subjects: list[str]
    text: str
    evidence: dict[str, Any]
    acknowledged: datetime | None
    event: str


class MonitorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One watch over one deployment: what it is set to and what it last saw."""

    deployment: str
    watch: str
    settings: dict[str, Any]
    champion: str
    looked: datetime | None
    reading: dict[str, Any]
    open_alerts: int


class Outcome(msgspec.Struct, frozen=True):
    """What one look of one watch found: an alert's subjects, text and evidence, or nothing; and what it read."""

    reading: dict[str, Any]
    subjects: list[str] = []
    text: str = ""
    evidence: dict[str, Any] = {}
    state: bytes = b""
