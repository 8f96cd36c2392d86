"""The records of studies."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from mulle.tuning.space import Domain

Direction = Literal["maximize", "minimize"]
TrialStatus = Literal["waiting", "running", "complete", "pruned", "failed"]
StudyKind = Literal["tune", "automl"]
OVER: tuple[TrialStatus, ...] = ("complete", "pruned", "failed")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a study asks: it stays the same for the study's whole life."""

    kind: StudyKind = "tune"
    pipeline: str = ""
    dataset: str = ""
    space: dict[str, Domain] = {}
    metrics: list[str]
    directions: list[Direction]
    params: dict[str, Any] = {}
    """Parameters of the pipeline that are the same in all trials."""


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a study looks for the answer: it may change when the study goes on."""

    sampler: str = "tpe"
    pruner: str = "asha"
    seed: int = 0
    settings: dict[str, Any] = {}


class Report(msgspec.Struct, frozen=True):
    """A value that a trial told on its way."""

    step: int
    value: float


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a study."""

    number: int
    status: TrialStatus
    params: dict[str, Any] = {}
    values: list[float] = []
    reports: list[Report] = []
    run: str = ""
    """The run that it was; empty for a trial that no pipeline made."""
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    attributes: dict[str, Any] = {}

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.started is None or self.ended is None else (self.ended - self.started).total_seconds()


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """A search over the parameters of a pipeline, or over pipelines for a dataset."""

    name: str
    question: Question
    manner: Manner
    created: datetime
    actor: str = ""
    reason: str = ""
    status: Literal["running", "idle"] = "idle"
    """Running while a living process works at it."""
    counts: dict[TrialStatus, int] = {}
    best: Trial | None = None
    """The best complete trial; None before there is one. Of several objectives, the first counts."""
    report: dict[str, Any] = {}
    """What an AutoML study found out about its winner."""


class Importance(msgspec.Struct, frozen=True):
    """How much of the variation of the objective each parameter explains, greatest first; shares add up to 1."""

    study: str
    trials: int
    method: str
    shares: dict[str, float]


class TuneResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a search ended."""

    study: Study
    trials: list[Trial]
    stopped: Literal["trials", "timeout", "asked", "space"]
    """What ended it: its number of trials, its time, somebody's word, or that nothing is left of the space."""
    seconds: float


def better(question: Question, one: Trial, other: Trial | None) -> bool:
    """Whether a complete trial is better than another one by the first objective."""
    if other is None:
        return True
    return one.values[0] > other.values[0] if question.directions[0] == "maximize" else one.values[0] < other.values[0]


def ranked(question: Question, trials: list[Trial]) -> list[Trial]:
    """The trials as a leaderboard: complete ones by value, then pruned ones by how far and how well they came."""
    sign = -1.0 if question.directions[0] == "maximize" else 1.0
    place = {"complete": 0, "running": 1, "pruned": 2, "waiting": 3, "failed": 4}

    def key(trial: Trial) -> tuple[float, ...]:
        if trial.status == "complete":
            return (0, sign * trial.values[0], trial.number)
        if trial.status == "pruned" and trial.reports:
            return (place["pruned"], -trial.reports[-1].step, sign * trial.reports[-1].value, trial.number)
        return (place[trial.status], 0, 0, trial.number)

    return sorted(trials, key=key)


def front(question: Question, trials: list[Trial]) -> list[Trial]:
    """The complete trials that no other one beats in every objective, in the order of their numbers."""
    signs = [1.0 if direction == "maximize" else -1.0 for direction in question.directions]
    points = [
        (trial, [s * v for s, v in zip(signs, trial.values, strict=True)])
        for trial in trials
        if trial.status == "complete"
    ]
    return [
        trial
        for trial, here in points
        if not any(there != here and all(a >= b for a, b in zip(there, here, strict=True)) for _, there in points)
    ]
