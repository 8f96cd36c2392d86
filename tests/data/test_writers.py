"""Several processes that write to one dataset at once: they wait, none fails, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.data import brancher
from tests.data.collector import opened

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, SystemClock
from mulle.testing.soak import repeat

WRITERS = 4
COUNT = repeat(5, 100)


@pytest.mark.soak
def test_writers_in_several_processes_wait_and_lose_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False).close()
    data = opened(tmp_path)
    data.commit("x", pl.DataFrame({"id": ["first"], "branch": ["main"]}), key=["id"])
    names = [chr(ord("a") + number) for number in range(WRITERS)]
    command = [sys.executable, "-m", brancher.__name__, str(tmp_path)]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen([*command, name, str(COUNT)], cwd=root, stderr=subprocess.PIPE, text=True) for name in names
    ]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * WRITERS

    numbers = range(COUNT)
    assert sorted(data.read("x")["id"]) == sorted(["first", *(f"{name}-{n}" for name in names for n in numbers)])
    for name in names:
        own = [each for each in data.read(f"x@of-{name}")["id"] if each.endswith("-own")]
        assert own == [f"{name}-{number}-own" for number in numbers]
    assert len(data.tag("x")) == WRITERS * COUNT
    log = data.log("x")
    assert [each.number for each in log] == list(range(2 * WRITERS * COUNT + 1, 0, -1))
    assert len({each.id for each in log}) == len(log)
    assert data.verify().damaged == []
    with data._catalog.read() as tx:
        assert ledger.verify(tx).count == 1 + WRITERS * (1 + 3 * COUNT)
