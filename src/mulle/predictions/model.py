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


class RevisionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers a revision gave in a role, and how long they took, in microseconds."""

    revision: int
    model: str
    role: str
    answers: int
    p50: float
    p99: float


class AnswerCount(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one stretch of time that begins at `at`."""

    at: datetime
    answers: int
    p50: float
    p99: float
    score: float | None


class LogSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a period (seconds) up to the newest one."""

    answers: int
    period: float
    revisions: list[RevisionSummary]
    over_time: list[AnswerCount]


class QualityPoint(msgspec.Struct, frozen=True, kw_only=True):
    """How good the answers of one stretch of time were, whichever models gave them, now that their labels are known."""

    at: datetime
    labels: int
    models: list[str]
    metrics: dict[str, float]
