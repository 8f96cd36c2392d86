"""A small real workspace with a history: a shop's orders arrive, models are taught, deployed, watched and replayed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mulle.clock import ClockIds, VirtualClock
from mulle.workspace import Workspace

START = datetime(2013, 1, 1, tzinfo=UTC)
PER_DAY = 48
PROJECT = '''
"""Will an order be returned?"""

from datetime import datetime
from functools import cache
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import mulle
from mulle import Table


@cache
def history() -> Table:
    return pl.read_parquet(Path(__file__).parent / "orders.parquet")


@mulle.source(every="1d", start="2013-01-01")
def arrivals(start: datetime, end: datetime) -> Table:
    return history().filter(pl.col("at").is_between(start, end, closed="left"))


orders = mulle.dataset(
    "orders", source=arrivals, key=["order_id"], event_time="at", label="returned", label_delay="1d"
)


@mulle.feature_view(entity=["country"], source=orders, ttl="7d", available_after="1d")
def recent(rows: Table) -> Table:
    return rows.group_by("country", "at").agg(recent_items=pl.col("items").mean()).sort("at")


@mulle.step
def split(rows: Table) -> tuple[Table, Table]:
    cut = rows["at"].max() - mulle.duration("7d")
    return rows.filter(pl.col("at") < cut), rows.filter(pl.col("at") >= cut)


@mulle.step
def train(rows: Table, *, strength: float = 1.0) -> mulle.Model:
    for step in range(20):
        mulle.log_metric("loss", 1 / (step + 1), step)
    print(f"training on {rows.height} rows")
    features = rows.select("basket", "items")
    return mulle.Model(LogisticRegression(C=strength).fit(features, rows["returned"].to_numpy()), example=features)


@mulle.step
def evaluate(model: mulle.Model, holdout: Table) -> mulle.Report:
    return mulle.evaluate(model, holdout, label="returned", slices=["country"])


@mulle.pipeline
def returns(window: str = "28d", strength: float = 1.0) -> None:
    rows = mulle.training_set(orders, [recent], window=window)
    train_rows, holdout = split(rows)
    model = train(train_rows, strength=strength)
    mulle.register("returns", model, evaluate(model, holdout))


mulle.deployment("returns", model="returns", rollout=[mulle.canary(20, "2d"), mulle.full()])
mulle.monitor("returns", [mulle.drift(min_rows=100), mulle.quality("roc_auc", min_labels=100), mulle.staleness("20d")])
mulle.trigger(returns, on=[mulle.new_data(orders, rows=1200), mulle.drifted("returns")], cooldown="7d")
'''


def orders(days: int) -> pl.DataFrame:
    """Orders every half hour; after five weeks the baskets grow and mean something else."""
    random, count = np.random.default_rng(0), days * PER_DAY
    late = np.arange(count) > 35 * PER_DAY
    basket = random.gamma(2, 20, count) * np.where(late, 1.8, 1.0)
    items = random.integers(1, 9, count)
    odds = np.exp(0.03 * np.where(late, -basket, basket) + 0.2 * (items - 4))
    return pl.DataFrame({
        "order_id": [f"o{number}" for number in range(count)],
        "at": pl.datetime_range(START, START + timedelta(days=days), "30m", closed="left", eager=True),
        "basket": basket.round(2),
        "items": items,
        "country": random.choice(["KR", "US", "DE"], count).tolist(),
        "returned": random.random(count) < odds / (1 + odds),
    })  # fmt: skip


def project(root: Path, days: int) -> None:
    """Write the project and its data."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "mulle.toml").write_text('[project]\nname = "shop"\n\n[run]\nexecutor = "in-process"\n')
    (root / "project.py").write_text(PROJECT)
    orders(days).write_parquet(root / "orders.parquet")


def live(root: Path, days: int) -> Workspace:
    """A workspace in which so many days have passed: a first champion after three weeks, then the wheel turns daily."""
    project(root, days)
    clock = VirtualClock(START + timedelta(days=21))
    workspace = Workspace.create(root, clock=clock, ids=ClockIds(clock, seed=7))
    workspace.turn()
    workspace.run("returns")
    workspace.deploy("returns")
    table = orders(days)
    for day in range(21, days):
        today = table.slice(day * PER_DAY, PER_DAY).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        asked: list[dict[str, Any]] = today.drop("returned").to_dicts()
        workspace.predict("returns", asked)
        clock.advance(timedelta(days=1))
        workspace.turn()
    _branch_out(workspace, root / "photos")
    return workspace


def _branch_out(workspace: Workspace, photos: Path) -> None:
    """Prices with a branch that was merged, one that was not, and a tag; photos, which are files."""
    data = workspace.data
    prices = pl.DataFrame({"item": ["pen", "ink", "cup"], "price": [1.0, 2.0, 3.0]})
    data.commit("prices", prices, "First", key=["item"])
    for branch, item in (("sale", "pen"), ("trial", "ink")):
        data.branch("prices", branch)
        cheaper = pl.when(pl.col("item") == item).then(0.5).otherwise(pl.col("price"))
        data.commit("prices", prices.with_columns(price=cheaper), f"{item} is cheaper", branch=branch)
    data.commit("prices", prices.with_columns(price=pl.col("price") + (pl.col("item") == "cup")), "A dearer cup")
    data.merge("prices", "sale")
    data.tag("prices", "v1.0")
    photos.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (photos / name).write_text(name)
        data.commit("photos", photos)
