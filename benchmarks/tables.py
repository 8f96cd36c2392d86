"""What the data and features planes cost at a year of days: a commit, a read, a day's join, a training set."""

from __future__ import annotations

import functools
import io
import itertools
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.harness import Figure, function, measure, publish

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService, asked_at, dataset, source
from mulle.features import TrainingSpec, build_training_set, feature_view, join
from mulle.store import LocalStore

DAYS, ROWS, PLACES = 365, 900, 3
START = datetime(2013, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@functools.cache
def trips_on(start: datetime, end: datetime) -> pl.DataFrame:
    """A day of trips: nine hundred rows, thirteen columns."""
    day = (start - START).days
    draw = np.random.default_rng(day)
    hours = np.sort(draw.integers(0, (end - start) // HOUR, ROWS))
    numbers = {f"number_{place}": draw.normal(size=ROWS) for place in range(6)}
    return pl.DataFrame({
        "trip": [f"{start:%Y%m%d}-{row:04}" for row in range(ROWS)],
        "at": [start + int(hour) * HOUR for hour in hours],
        "place": [f"place {place}" for place in draw.integers(0, PLACES, ROWS)],
        "carrier": [f"carrier {carrier}" for carrier in draw.integers(0, 16, ROWS)],
        "minutes": draw.integers(0, 1440, ROWS),
        **numbers,
        "delay": draw.normal(size=ROWS),
        "late": draw.random(ROWS) < 0.25,
    })  # fmt: skip


@source(every="1d", start=START)
def trips_of(start: datetime, end: datetime) -> pl.DataFrame:
    """The same, drawn before it is measured."""
    return trips_on(start, end)


trips = dataset("trips", source=trips_of, key=["trip"], event_time="at", asked="-2h", label="late", label_delay="1d")


@feature_view(entity=["place"], source=trips, ttl="1d", lookback="7d")
def recent(rows: pl.DataFrame) -> pl.DataFrame:
    """The share of late trips by place, over a day and a week, from outcomes that were known."""
    hourly = rows.group_by("place", "at").agg(trips=pl.len(), late=pl.col("late").sum()).sort("place", "at")

    def share(window: str) -> pl.Expr:
        late, count = (pl.col(name).rolling_sum_by("at", window).over("place") for name in ("late", "trips"))
        return late / count

    return hourly.select("place", "at", late_1d=share("1d"), late_7d=share("7d"))


def main() -> list[Figure]:
    """Measure and publish."""
    clock = VirtualClock(START)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        catalog = Catalog.create(root / "catalog.db", clock, ClockIds(clock, seed=0), durable=False)
        store = LocalStore(root, durable=False)
        data = DataService(catalog, store)
        data.collect(trips, START + (DAYS - 60) * DAY)
        figures = [
            _commits(data),
            _reads(data),
            _joins(data, store),
            _training_sets(data, store),
        ]
        catalog.close()
    publish("tables", figures, days=DAYS, rows_a_day=ROWS)
    return figures


def _commits(data: DataService) -> Figure:
    days = itertools.count(DAYS - 60)
    baseline = trips_on(START, START + DAY)
    for day in range(DAYS - 60, DAYS):
        trips_on(START + day * DAY, START + (day + 1) * DAY)

    def commit() -> None:
        data.collect(trips, START + (next(days) + 1) * DAY)

    plain = function(lambda: baseline.write_parquet(io.BytesIO()))
    return measure(
        "a day committed, after 305 days", function(commit), n=40, baseline=("rows to Parquet", plain), budget=0.008
    )


def _reads(data: DataService) -> Figure:
    return measure("a whole year read, decoded before", function(lambda: data.read("trips")), n=9)


def _joins(data: DataService, store: LocalStore) -> Figure:
    manifest = data.head("trips").digest
    days = itertools.count(200)

    def one_day() -> None:
        day = next(days)
        rows = data.read("trips", start=START + day * DAY, end=START + (day + 1) * DAY).drop("late", "delay")
        join(store, rows, [(recent, manifest)], asked_at(trips, rows))

    return measure("features joined to a day's rows", function(one_day), n=40, budget=0.01)


def _training_sets(data: DataService, store: LocalStore) -> Figure:
    manifest = data.head("trips").digest
    days = itertools.count(200)

    def build() -> None:
        as_of = START + next(days) * DAY
        build_training_set(store, TrainingSpec(trips, manifest, ((recent, manifest),), 90 * DAY, as_of))

    return measure("a training set of 90 days (81,000 rows)", function(build), n=20, budget=0.25)


if __name__ == "__main__":
    main()
