"""A process that materialises hour by hour, and may die by kill -9 at any instant of it.

python materializer.py FOLDER HOURS [KILL_AFTER_SECONDS]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService, dataset
from mulle.features import FeatureService, feature_view
from mulle.features.online import SqliteOnline
from mulle.store import LocalStore

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
weather = dataset("weather", event_time="at")


@feature_view(entity=["origin"], source=weather, ttl="100d", lookback="0s")
def wind(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest wind of each airport, whenever it was."""
    return rows.select("origin", "at", "wind")


def readings(hours: int) -> pl.DataFrame:
    """One airport an hour, in turn, so that a lost hour would show."""
    numbers = range(hours)
    columns = {"at": [START + n * HOUR for n in numbers], "origin": [f"airport {n % 7}" for n in numbers]}
    return pl.DataFrame({**columns, "wind": [float(n) for n in numbers]})


def opened(folder: Path) -> tuple[DataService, FeatureService]:
    clock = SystemClock()
    catalog = Catalog.open(folder / "catalog.db", clock, ClockIds(clock), durable=False)
    store = LocalStore(folder, durable=False)
    data = DataService(catalog, store)
    online = SqliteOnline(folder / "online.db", durable=False)
    return data, FeatureService(catalog, store, data, online, views=lambda: {"wind": wind}, roots=[folder])


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, hours, *death = sys.argv[1:]
    _, features = opened(Path(folder))
    if death:
        threading.Thread(target=_die_after, args=[float(death[0])], daemon=True).start()
    for hour in range(1, int(hours) + 1):
        features.materialize("wind", START + hour * HOUR)


if __name__ == "__main__":
    main()
