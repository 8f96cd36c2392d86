"""Tuners that are killed at any instant, trials whose worker is killed, two tuners at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.tuning.conftest import Make
from tests.tuning.curves import PROJECT, SPACE
from tests.tuning.test_tune import by_number, executed

from mulle.testing.soak import repeat

ROOT = Path(__file__).parents[2]
SLOW = PROJECT.replace("    value = 0.0\n", "    value = 0.0\n    import time\n    time.sleep(0.05)\n")
TRIALS = 14


def start(root: Path, trials: int = TRIALS, jobs: int = 1) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.tuning.tuner", str(root), str(trials), str(jobs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(path: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(1, 40)))
def test_a_search_that_is_killed_again_and_again_ends_as_one_that_is_not(project: Make, seed: int) -> None:
    ws = project(SLOW)
    root, chance = ws.settings.root, random.Random(seed)
    for part in range(2):
        process = start(root)
        wait_for(root / "executed", chance.randint(2, 5) + 4 * part)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    process = start(root)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error.decode()
    done = executed(ws)
    whole = ws.tune("main", SPACE, metric="auc", study="whole", trials=TRIALS)
    assert by_number(ws.studies.trials("s")) == by_number(whole.trials)
    assert len(done) - len(set(done)) <= 2


@pytest.mark.slow
def test_two_tuners_share_a_study(project: Make) -> None:
    ws = project(SLOW)
    tuners = [start(ws.settings.root), start(ws.settings.root)]
    errors = [tuner.communicate(timeout=120)[1] for tuner in tuners]
    assert [tuner.returncode for tuner in tuners] == [0, 0], errors
    trials = ws.studies.trials("s")
    assert sorted(trial.number for trial in trials) == list(range(TRIALS))
    assert {trial.status for trial in trials} <= {"complete", "pruned"}
    done = executed(ws)
    assert done.count("prepare") == 1


SUICIDAL = PROJECT.replace(
    "    value = 0.0\n", "    value = 0.0\n    if depth == 5:\n        import os\n        os.kill(os.getpid(), 9)\n"
)


@pytest.mark.slow
def test_a_trial_whose_worker_is_killed_fails_and_the_study_goes_on(project: Make) -> None:
    ws = project(SUICIDAL, "process")
    result = ws.tune("main", {"depth": "int(4,7)"}, metric="auc", sampler="grid", pruner="none", jobs=2)
    assert {trial.params["depth"] for trial in result.trials if trial.status == "failed"} == {5}
    assert result.study.counts == {"complete": 3, "failed": 1}


@pytest.mark.slow
def test_a_study_can_be_stopped_and_goes_on(project: Make) -> None:
    ws = project(SLOW)
    tuner = start(ws.settings.root, trials=500)
    wait_for(ws.settings.root / "executed", 4)
    assert ws.studies.show("s").status == "running"
    ws.studies.stop("s")
    tuner.communicate(timeout=60)
    found = ws.studies.show("s")
    assert (tuner.returncode, found.status, found.counts.get("running", 0)) == (0, "idle", 0)
    count = sum(found.counts.values())
    assert sum(ws.tune(study="s", trials=count + 2).study.counts.values()) == count + 2


def test_a_search_ends_when_its_time_is_over(project: Make) -> None:
    ws = project(SLOW)
    result = ws.tune("main", SPACE, metric="auc", trials=10_000, timeout=1.5)
    assert result.stopped == "timeout"
    assert result.seconds < 10
    assert "running" not in result.study.counts
