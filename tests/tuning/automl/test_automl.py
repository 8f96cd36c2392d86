"""From a dataset to a winner that is code of the project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from tests.tuning.automl.tables import orders
from tests.tuning.conftest import Make

from mulle.errors import DataError, UsageError
from mulle.workspace import Workspace
from mulle.workspace.automl import Asked, AutoResult

BARE = '"""Nothing is defined here yet."""\n'


def committed(project: Make, table: pl.DataFrame, source: str | None = None) -> Workspace:
    ws = project(source or BARE)
    if source is None:
        (ws.settings.root / "project.py").unlink()
    ws.data.commit("orders", table, key=["order"], event_time="at")
    return ws


def retrained(ws: Workspace, found: AutoResult) -> float:
    """What the written project scores, as a process of its own runs it."""
    command = [sys.executable, "-m", "mulle.cli", "-C", str(ws.settings.root), "run", found.pipeline, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return ws.runs.show(json.loads(done.stdout.splitlines()[-1])["id"]).metrics[found.metric]


@pytest.mark.slow
def test_the_winner_retrains_to_the_same_score(project: Make) -> None:
    ws = committed(project, orders())
    found = ws.automl(Asked(dataset="orders", target="returned", budget=240, trials=5))
    assert found.score is not None
    assert found.score > 0.7
    assert retrained(ws, found) == found.score
    assert found.warnings
    report = ws.studies.show(found.study.name).report
    assert report["importance"][0]["column"] in {"basket", "items"}
    assert report["calibration"]
    assert report["slices"]
    assert ws.models.list()[0].name == "returned"


@pytest.mark.slow
@pytest.mark.parametrize("target", ["items", "basket"])
def test_classes_and_amounts_are_learned_too_in_a_project_that_is_there(project: Make, target: str) -> None:
    source = 'import mulle\n\nsales = mulle.dataset("orders", key=["order"], event_time="at")\n'
    ws = committed(project, orders(400).drop("refund"), source)
    found = ws.automl(
        Asked(dataset="orders", target=target, budget=240, trials=3, time="", group="country", ensemble=False)
    )
    written = Path(found.file)
    assert "from project import sales as data" in written.read_text()
    own = ws.settings.root / "project.py"
    own.write_text(own.read_text() + f"\nimport {written.stem}\n")
    assert retrained(ws, found) == found.score


def test_a_budget_that_is_too_small_and_a_file_that_is_there_are_refused(project: Make) -> None:
    ws = committed(project, orders(100))
    with pytest.raises(UsageError, match="too small"):
        ws.automl(Asked(dataset="orders", target="returned", budget=1))
    (ws.settings.root / "mine.py").write_text("mine = 1\n")
    with pytest.raises(UsageError, match="is there already"):
        ws.automl(Asked(dataset="orders", target="returned", budget=10, output="mine.py"))
    assert ws.studies.list() == []


def test_a_target_that_cannot_be_learned_leaves_nothing_behind(project: Make) -> None:
    ws = committed(project, orders(100))
    with pytest.raises(DataError, match="only the value"):
        ws.automl(Asked(dataset="orders", target="same", budget=10))
    assert not (ws.settings.root / "project.py").exists()


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_no_process_and_no_half_file(project: Make) -> None:
    ws = committed(project, orders(400))
    command = [
        sys.executable,
        "-m",
        "mulle.cli",
        "-C",
        str(ws.settings.root),
        "automl",
        "orders",
        "--target",
        "returned",
    ]
    search = subprocess.Popen([*command, "--budget", "60s"], start_new_session=True, stderr=subprocess.PIPE, text=True)
    assert search.stderr is not None
    assert any("first answer" in line for line in search.stderr)
    os.kill(search.pid, signal.SIGKILL)
    search.wait(10)
    search.stderr.close()
    deadline = time.monotonic() + 20
    while _group_lives(search.pid):
        assert time.monotonic() < deadline, "a fitting process outlived its search"
        time.sleep(0.1)
    assert not (ws.settings.root / "project.py").exists()
    assert ws.studies.show("automl-returned").status == "idle"


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
