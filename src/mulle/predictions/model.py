"""The frozen records of the prediction log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class LoggedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, as lists show it."""

    id: str
    at: datetime
    revision: int
    output: dict[str, Any]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer with everything that was logged, and its label once that is known."""

    id: str
    at: datetime
    deployment: str
    revision: int
    model: str
    role: str
    key: str
    inputs: dict[str, Any]
    output: dict[str, Any]
    score: float | None
    latency_us: int
    label: Any = None
    labelled: datetime | None = None


class LabelledPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and its truth."""

    id: str
    at: datetime
    revision: int
    score: float | None
    label: Any
    labelled: datetime


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A label given by the prediction's id."""

    id: str
    deployment: str
    label: Any
    at: datetime
    event: str


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What one compaction of the spool did."""

    segments: int
    rows: int
    files: list[str]
