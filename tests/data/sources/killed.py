"""A process that collects every source of a world, and may die by kill -9 at any instant of it.

python killed.py FOLDER [KILL_AFTER_SECONDS | op:KILL_AT_FILE_OPERATION]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from tests.data.sources.world import World

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService
from mulle.store import LocalStore
from mulle.store.files import Files
from mulle.testing.kills import LethalFiles


def opened(folder: Path, files: Files | None = None) -> DataService:
    clock = SystemClock()
    store = LocalStore(folder / "workspace", durable=False, files=files)
    catalog = Catalog.open(folder / "workspace" / "catalog.db", clock, ClockIds(clock), durable=False)
    return DataService(catalog, store, folder)


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, *death = sys.argv[1:]
    at = death[0] if death else ""
    files = LethalFiles(int(at.removeprefix("op:"))) if at.startswith("op:") else None
    data = opened(Path(folder), files)
    definitions = World.datasets(World.__new__(World), batch=7)
    if at and files is None:
        threading.Thread(target=_die_after, args=[float(at)], daemon=True).start()
    for definition in definitions:
        data.collect(definition, SystemClock().now())


if __name__ == "__main__":
    main()
