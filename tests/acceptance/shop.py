"""A small real project: shops that are busy when it rains, a model without libraries, two deployments."""

from __future__ import annotations

from pathlib import Path

ROWS = 100
"""How many rows each version of `front` answers."""
SETTINGS = '[project]\nname = "shop"\n\n[run]\nexecutor = "in-process"\n'

LOGIT = '''
"""A logistic regression by Newton's method: small, and loaded in no time."""

import numpy as np


class Logit:
    """A classifier of two classes."""

    classes_ = (False, True)

    def __init__(self, rows, label):
        x = np.column_stack([np.ones(rows.height), np.nan_to_num(rows.to_numpy().astype(np.float64))])
        self.weights = np.zeros(x.shape[1])
        for _ in range(8):
            p = 1 / (1 + np.exp(-x @ self.weights))
            curved = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1])
            self.weights += np.linalg.solve(curved, x.T @ (label - p))

    def predict(self, columns):
        inputs = [np.nan_to_num(np.asarray(values, dtype=np.float64)) for values in columns.values()]
        return {"probability": 1 / (1 + np.exp(-self.weights[0] - self.weights[1:] @ np.array(inputs)))}
'''

PROJECT = '''
"""Will the shop be busy in this hour?"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from logit import Logit

import mulle


class Visits(mulle.Schema):
    visit: str = mulle.column(unique=True)
    at: datetime
    shop: str
    rain: float
    busy: bool | None = mulle.outcome()


@mulle.source(every="7d", start="2026-01-01")
def by_week(start: datetime, end: datetime) -> mulle.Table:
    hours = int((end - start).total_seconds()) // 3600
    chance = np.random.default_rng(start.toordinal())
    rain = chance.gamma(1.0, size=2 * hours).round(3)
    lift = np.tile([0.0, 1.0], hours)
    return pl.DataFrame({
        "visit": [f"{start:%m%d}-{n}" for n in range(2 * hours)],
        "at": [start + timedelta(hours=n // 2) for n in range(2 * hours)],
        "shop": ["park", "port"] * hours,
        "rain": rain,
        "busy": chance.random(2 * hours) < 1 / (1 + np.exp(1.5 - 1.2 * rain - lift)),
    })


visits = mulle.dataset(
    "visits", source=by_week, key=["visit"], event_time="at", label="busy", label_delay="1d", expect=Visits
)


@mulle.feature_view(entity=["shop"], source=visits, ttl="400d", available_after="1d")
def recent(rows: mulle.Table) -> mulle.Table:
    hourly = rows.drop_nulls("busy").sort("shop", "at")
    return hourly.select(
        "shop", "at", share=pl.col("busy").cast(pl.Float64).rolling_mean_by("at", window_size="7d").over("shop")
    )


@mulle.step
def split(rows: mulle.Table) -> tuple[mulle.Table, mulle.Table]:
    cut = rows["at"].max() - mulle.duration("7d")
    return rows.filter(pl.col("at") < cut), rows.filter(pl.col("at") >= cut)


@mulle.step
def train(rows: mulle.Table, columns: list[str]) -> mulle.Model:
    inputs = rows.select(columns)
    return mulle.Model(Logit(inputs, rows["busy"].to_numpy()), example=inputs.head(50))


@mulle.step
def evaluate(model: mulle.Model, rows: mulle.Table) -> mulle.Report:
    return mulle.evaluate(model, rows, label="busy", slices=["shop"])


@mulle.pipeline
def front(window: str = "90d") -> None:
    rows, holdout = split(mulle.training_set(visits, [recent], window=window))
    model = train(rows, ["rain", "share"])
    mulle.register("front", model, evaluate(model, holdout))


@mulle.pipeline
def back(window: str = "90d") -> None:
    rows, holdout = split(mulle.training_set(visits, [], window=window))
    model = train(rows, ["rain"])
    mulle.register("back", model, evaluate(model, holdout))


mulle.deployment("front", model="front")
mulle.deployment("back", model="back")
mulle.monitor("front", [mulle.drift(), mulle.quality("roc_auc", min_labels=100)])
mulle.trigger(front, on=[mulle.schedule("0 4 1 * *")])
'''


def write(folder: Path, **modules: str) -> Path:
    """Write the project, with modules replaced or added."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mulle.toml").write_text(SETTINGS)
    for name, source in ({"project": PROJECT, "logit": LOGIT} | modules).items():
        (folder / f"{name}.py").write_text(source.lstrip())
    return folder
