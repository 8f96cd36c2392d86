"""A process that collects, and may die by kill -9 at any instant of it.

python collector.py FOLDER DAYS [KILL_AFTER_SECONDS | op:KILL_AT_FILE_OPERATION]
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

import mulle.data as api
import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService
from mulle.store import LocalStore
from mulle.store.files import Files
from mulle.testing.kills import LethalFiles

START = datetime(2013, 1, 1, tzinfo=UTC)


@api.source(every="1d", start=START)
def days(start: datetime, end: datetime) -> pl.DataFrame:
    """Three rows a day, with a key that tells a row taken twice."""
    number = (start - START).days
    hours = [start + timedelta(hours=hour) for hour in (1, 2, 3)]
    return pl.DataFrame({"id": [f"{number}-{hour}" for hour in range(3)], "at": hours})


DAYS = api.dataset("days", source=days, event_time="at")
"""Without a key, so that nothing but the cursor stands between a window and its being taken twice."""


def opened(folder: Path, files: Files | None = None) -> DataService:
    clock = SystemClock()
    store = LocalStore(folder, durable=False, files=files)
    return DataService(Catalog.open(folder / "catalog.db", clock, ClockIds(clock), durable=False), store)


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, count, *death = sys.argv[1:]
    at = death[0] if death else ""
    files = LethalFiles(int(at.removeprefix("op:"))) if at.startswith("op:") else None
    data = opened(Path(folder), files)
    if at and files is None:
        threading.Thread(target=_die_after, args=[float(at)], daemon=True).start()
    for version in data.collect(DAYS, START + timedelta(days=int(count))):
        print(version.number, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
