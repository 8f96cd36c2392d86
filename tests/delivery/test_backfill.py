"""Backfills of a small project: what is there is not run again, what fails stops nothing, what was killed goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mulle.delivery.backfill.model import Request
from mulle.errors import UsageError
from mulle.testing.soak import repeat
from mulle.workspace import Workspace

PROJECT = """
import time
from pathlib import Path

import mulle

HERE = Path(__file__).parent


@mulle.step
def noted(day: str, factor: int) -> str:
    with (HERE / "executed").open("a") as file:
        file.write(day[:10] + "\\n")
    if (HERE / f"broken-{day[:10]}").exists():
        raise ValueError("broken day")
    time.sleep(0.02)
    return day * factor


@mulle.pipeline
def daily(as_of: str, factor: int = 1):
    return noted(as_of, factor)


@mulle.pipeline
def each(carrier: str):
    return noted(carrier, 1)
"""
START, END = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 6, tzinfo=UTC)
DAYS = ["2013-01-02", "2013-01-03", "2013-01-04", "2013-01-05", "2013-01-06"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "mulle.toml").write_text('[project]\nname = "days"\n[run]\nexecutor = "in-process"\n')
    return tmp_path


@pytest.fixture
def ws(root: Path) -> Iterator[Workspace]:
    with Workspace.open(root) as opened:
        yield opened


def request(**more: Any) -> Request:
    return Request(pipeline="daily", start=START, end=END, every="1d", **more)


def executed(root: Path) -> list[str]:
    path = root / "executed"
    return path.read_text().split() if path.exists() else []


def test_every_window_is_run_once(ws: Workspace, root: Path) -> None:
    made = ws.backfills.run(request())
    assert (made.status, made.counts, executed(root)) == ("succeeded", {"succeeded": 5}, DAYS)
    again = ws.backfills.run(request())
    assert (again.counts, executed(root)) == ({"present": 5}, DAYS)


def test_a_run_that_somebody_made_by_hand_counts(ws: Workspace) -> None:
    run = ws.run("daily", {"as_of": "2013-01-03T00:00:00+00:00"}, as_of="2013-01-03")
    planned = ws.backfills.plan(request())
    assert [(each.key, each.run) for each in planned if each.status == "present"] == [("2013-01-02", run.id)]


def test_again_runs_what_is_there(ws: Workspace) -> None:
    ws.backfills.run(request())
    assert ws.backfills.run(request(again=True)).counts == {"succeeded": 5}


def test_other_parameters_are_other_runs(ws: Workspace) -> None:
    ws.backfills.run(request())
    assert {each.status for each in ws.backfills.plan(request(params={"factor": 2}))} == {"pending"}


def test_newest_first(ws: Workspace, root: Path) -> None:
    ws.backfills.run(request(newest_first=True))
    assert executed(root) == DAYS[::-1]


def test_a_failure_stops_no_other(ws: Workspace, root: Path) -> None:
    (root / "broken-2013-01-03").touch()
    made = ws.backfills.run(request())
    assert (made.status, made.counts) == ("failed", {"succeeded": 4, "failed": 1})
    assert "broken day" in next(each.error for each in made.windows if each.status == "failed")
    (root / "broken-2013-01-03").unlink()
    assert ws.backfills.run(request()).counts == {"present": 4, "succeeded": 1}


def test_several_at_a_time(ws: Workspace, root: Path) -> None:
    assert ws.backfills.run(request(jobs=3)).counts == {"succeeded": 5}
    assert sorted(executed(root)) == DAYS


def test_partitions(ws: Workspace, root: Path) -> None:
    ws.data.commit("flights", pl.DataFrame({"carrier": ["UA", "AA", "UA", None]}))
    made = ws.backfills.run(Request(pipeline="each", partition="flights:carrier"))
    assert ([each.key for each in made.windows], executed(root)) == (["carrier=UA", "carrier=AA"], ["UA", "AA"])


@pytest.mark.parametrize("wrong", [{"every": ""}, {"partition": "flights"}, {"jobs": 0}, {"params": {"nope": 1}}])
def test_what_cannot_be_is_told_before_anything_runs(ws: Workspace, root: Path, wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"start": START, "end": END, "every": "1d"} | wrong
    with pytest.raises(UsageError):
        ws.backfills.run(Request(pipeline="daily", **asked))
    assert (ws.backfills.list(), executed(root)) == ([], [])


def test_no_backfill_yet_is_told(ws: Workspace) -> None:
    with pytest.raises(UsageError, match="no backfill yet"):
        ws.backfills.show()


def start(root: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mulle.cli", "-C", str(root), "backfill", "daily", "--from", "2013-01-01"]
    command += ["--to", "2013-01-31", "--every", "1d", "--json", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_backfill_that_is_asked_to_end_does(ws: Workspace, root: Path) -> None:
    process = start(root)
    deadline = time.monotonic() + 60
    while len(executed(root)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    ws.backfills.cancel(ws.backfills.list()[0].id)
    process.communicate(timeout=60)
    found = ws.backfills.show()
    assert (process.returncode, found.status) == (1, "cancelled")
    assert 0 < found.counts["pending"] < 30


@pytest.mark.slow
def test_two_at_once_share_the_windows(root: Path) -> None:
    processes = [start(root), start(root, "--newest-first")]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert len(executed(root)) == len(set(executed(root))) == 30


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(1, 20)))
def test_a_killed_backfill_goes_on(root: Path, seed: int) -> None:
    chance, kills = random.Random(seed), 0
    for _ in range(3):
        process = start(root, "--jobs", str(chance.choice([1, 3])))
        began = len(executed(root))
        deadline, more = time.monotonic() + 60, chance.randrange(1, 8)
        while len(executed(root)) < min(began + more, 30) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    with Workspace.open(root) as ws:
        assert kills == 0 or ws.backfills.show().status in {"stopped", "succeeded"}
    last = start(root)
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err + out
    done = executed(root)
    assert len(set(done)) == 30
    assert len(done) <= 30 + 3 * kills
    with Workspace.open(root) as ws:
        assert {each.status for each in ws.backfills.show().windows} <= {"present", "succeeded"}
