"""The frozen records of backtests."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Happening(msgspec.Struct, frozen=True):
    """Something that a policy's wheel decided or saw, for a time axis."""

    at: datetime
    kind: str
    text: str


class PolicyReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one policy fared. `cpu_seconds` are of the trainings that it used, in full also where policies shared one.

    `regret` is the mean over weeks of the main metric lost against the oracle, positive when the policy is worse.
    """

    weekly_auc: list[float | None]
    weekly_log_loss: list[float | None]
    mean_auc: float | None
    mean_log_loss: float | None
    retrainings: int
    promotions: int
    rollbacks: int
    alerts: int
    cpu_seconds: float
    regret: float | None
    answered: int
    champion_as_of: datetime | None
    """As of when the model that served at the end was trained."""
    events: list[Happening]


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """Policies side by side over the same questions.

    `digest` covers everything but the CPU seconds: the same history, project and seed give the same. `metrics` names
    what `weekly_auc` and `weekly_log_loss` hold: ROC AUC and log loss of two classes, accuracy and log loss of several,
    RMSE and mean absolute error of numbers.
    """

    id: str
    at: datetime
    deployment: str
    pipeline: str
    start: datetime
    end: datetime
    seed: int
    questions: int
    labelled: int
    weeks: list[datetime]
    metrics: list[str]
    oracle: PolicyReport
    policies: dict[str, PolicyReport]
    distinct_trainings: int
    training_cpu_seconds: float
    digest: str = ""


class BacktestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest, as lists show it."""

    id: str
    at: datetime
    pipeline: str
    deployment: str
    start: datetime
    end: datetime
    policies: list[str]
    digest: str
    report: str
    event: str
