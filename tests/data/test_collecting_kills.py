"""Processes that collect are killed, or run side by side: each window is taken exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.data import collector

from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService
from mulle.testing.soak import repeat

DAYS = 30
EXPECTED = [f"{day}-{hour}" for day in range(DAYS) for hour in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clock = SystemClock()
    Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False).close()
    return tmp_path


def start(folder: Path, *death: str) -> subprocess.Popen[str]:
    command = [sys.executable, collector.__file__, str(folder), str(DAYS), *death]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> int:
    process.communicate()
    return process.returncode


def taken(data: DataService) -> list[str]:
    ids: list[str] = data.read("days")["id"].to_list()
    return ids


def is_whole(data: DataService) -> None:
    versions = data.versions("days")
    assert taken(data) == EXPECTED
    assert [version.rows for version in versions] == [3 * number for number in range(DAYS, 0, -1)]
    assert versions[0].watermark == collector.START + timedelta(days=DAYS)
    assert data.verify().damaged == []


@pytest.mark.soak
def test_a_collection_killed_at_any_instant_goes_on_where_it_stood(folder: Path) -> None:
    instants = random.Random(7)
    for _ in range(repeat(5, 300)):
        finish(start(folder, f"{instants.uniform(0, 0.1):.4f}"))
    assert finish(start(folder)) == 0
    is_whole(collector.opened(folder))


@pytest.mark.soak
def test_a_collection_killed_in_any_file_operation_goes_on_where_it_stood(folder: Path) -> None:
    operations = random.Random(11)
    for _ in range(repeat(4, 300)):
        finish(start(folder, f"op:{operations.randint(1, 40)}"))
    assert finish(start(folder)) == 0
    is_whole(collector.opened(folder))


def test_processes_side_by_side_take_each_window_once(folder: Path) -> None:
    together = [start(folder) for _ in range(3)]
    assert [finish(process) for process in together] == [0, 0, 0]
    is_whole(collector.opened(folder))


def test_the_ledger_of_a_killed_collection_verifies(folder: Path) -> None:
    finish(start(folder, "0.03"))
    assert finish(start(folder)) == 0
    clock = SystemClock()
    with Catalog.open(folder / "catalog.db", clock, ClockIds(clock)).read() as tx:
        assert ledger.verify(tx).count == DAYS
