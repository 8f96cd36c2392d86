"""A small real workspace whose world changes: 120 rows a day, and on a given day what decides the label turns round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.config import load
from mulle.delivery.model import TurnReport
from mulle.delivery.turn import turn
from mulle.delivery.world import Requests, Rules
from mulle.store import LocalStore
from mulle.workspace import Workspace, wheel
from mulle.workspace.tables import declare_all

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PROJECT = """
from datetime import datetime
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
import mulle
from mulle import *

TURNS = np.datetime64("{turns}")


@mulle.source(every="1d", start="2024-01-01")
def by_day(start: datetime, end: datetime) -> mulle.Table:
    rng = np.random.default_rng(start.toordinal())
    n = 120
    x, z = rng.normal(size=n), rng.normal(size=n) + {moves} * (np.datetime64(start.date()) >= TURNS)
    strength = -2.0 if np.datetime64(start.date()) >= TURNS else 2.0
    late = rng.random(n) < 1 / (1 + np.exp(-strength * x))
    at = [start + mulle.duration(f"{{minutes * 12}}m") for minutes in range(n)]
    return pl.DataFrame({{"id": [f"{{start:%m%d}}-{{i}}" for i in range(n)], "at": at, "x": x, "z": z, "late": late}})


events = mulle.dataset("events", source=by_day, key=["id"], event_time="at", label="late", label_delay="1d")


@mulle.step
def split(rows: mulle.Table) -> tuple[mulle.Table, mulle.Table]:
    cut = rows["at"].max() - mulle.duration("3d")
    return rows.filter(pl.col("at") < cut), rows.filter(pl.col("at") >= cut)


@mulle.step
def train(rows: mulle.Table) -> mulle.Model:
    inputs = rows.select("x", "z")
    return mulle.Model(LogisticRegression().fit(inputs.to_numpy(), rows["late"].to_numpy()), example=inputs.head(20))


@mulle.step
def evaluate(model: mulle.Model, rows: mulle.Table) -> mulle.Report:
    return mulle.evaluate(model, rows, label="late")


@mulle.pipeline
def late(window: str = "7d") -> None:
    train_rows, holdout = split(mulle.training_set(events, [], window=window))
    model = train(train_rows)
    mulle.register("late", model, evaluate(model, holdout))


mulle.deployment("late", model="late", gate=[better_than_champion("roc_auc")], rollout={rollout})
mulle.monitor("late", [quality("roc_auc", min_labels=100, window="2d"), drift(min_rows=100)])
mulle.trigger(late, on={on}, cooldown="{cooldown}")
"""


def project(folder: Path, on: str = "[]", cooldown: str = "0s", **given: Any) -> None:
    """Write the project."""
    chosen = {"turns": "2024-02-01", "rollout": '[shadow("6h"), canary(20, "6h"), full()]', "moves": 0.0} | given
    (folder / "mulle.toml").write_text('[project]\nname = "mill"\nmodule = "mill"\n\n[run]\nexecutor = "in-process"\n')
    (folder / "mill.py").write_text(PROJECT.format(on=on, cooldown=cooldown, **chosen))


def opened(folder: Path, clock: VirtualClock) -> Workspace:
    """The project's workspace, on files that nobody waits for to reach the disk."""
    settings, ids = load(folder), ClockIds(clock, 1)
    settings.workspace.mkdir()
    declare_all()
    catalog = Catalog.create(settings.workspace / "catalog.db", clock, ids, durable=False)
    return Workspace(settings, catalog, LocalStore(settings.workspace, durable=False), clock, ids)


class Mill:
    """The workspace, its clock, and callers who ask every row at its event time."""

    def __init__(self, folder: Path, day: int = 9) -> None:
        self.clock = VirtualClock(START + day * DAY)
        self.ws = opened(folder, self.clock)
        self.world = wheel.world(self.ws, requests=Callers(self.ws))
        self.ws.models.convert = False

    def turn(self, **ports: Any) -> TurnReport:
        """One turn of the wheel, now."""
        return turn(replace(self.world, **ports))

    def days(self, number: int, hours: int = 6) -> list[TurnReport]:
        """Turn the wheel every few hours for some days."""
        found = []
        for _ in range(number * 24 // hours):
            self.clock.advance(timedelta(hours=hours))
            found.append(self.turn())
        return found

    def rules(self, **kinds: Any) -> Rules:
        return replace(self.world.rules, **kinds)

    def live(self) -> str:
        """The model version that serves."""
        return self.ws.deployments.show("late").live.model_ref


class Callers(Requests):
    """They ask at a row's event time, by the deployment's own data plane."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._asked = ws.clock.now()

    def answer(self, now: datetime) -> int:
        since, self._asked = self._asked, now
        if "late" not in self._ws.deployments.names():
            return 0
        source = self._ws.project.definitions.get("dataset", "events").source
        days = [since.replace(hour=0) + DAY * i for i in range((now - since).days + 2)]
        rows = pl.concat([source(day, day + DAY) for day in days])
        rows = rows.filter((pl.col("at") >= since) & (pl.col("at") < now)).drop("late")
        if rows.height:
            self._ws.deployments.predict_table("late", rows, "at")
        return int(rows.height)


def fired(reports: list[TurnReport]) -> list[str]:
    return [one.rule for report in reports for one in report.fired]
