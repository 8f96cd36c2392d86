"""Projects and users that share one machine: `mulle run` in several processes at once, over one workspace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mulle.testing.soak import repeat

pytestmark = pytest.mark.slow

PROJECT = """
import os, time
import mulle

NOTES = "{notes}"

def note(what, cpus):
    fd = os.open(NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{{time.monotonic()}} {{what}} {{cpus}} {{os.getpid()}}\\n".encode())
    os.close(fd)

def work(cpus, seconds):
    note("begins", cpus)
    time.sleep(seconds)
    note("ends", -cpus)

@mulle.step(cache=False)
def one(number, seconds):
    work(1, seconds)

@mulle.step(cache=False, cpus=2)
def both(seconds):
    work(2, seconds)

@mulle.step(cpus=2)
def train(steps):
    done, _ = mulle.checkpoint.load() or (0, None)
    note(f"from-{{done}}", 0)
    for step in range(done, steps):
        time.sleep(0.1)
        mulle.checkpoint.save("weights", step=step + 1)
    note("trained", 0)
    return done

@mulle.pipeline
def many(steps: int = 6, seconds: float = 0.05):
    one.map(list(range(steps)), seconds)
    both(seconds)

@mulle.pipeline
def alone(seconds: float = 60.0):
    both(seconds)

@mulle.pipeline
def quick():
    both(0.1)

@mulle.pipeline
def training(steps: int = 60):
    train(steps)
"""
TOML = """
[project]
name = "{name}"
[workspace]
path = "../shared"
[run]
workers = 2
[resources]
queue = "{queue}"
[resources.pools.machine]
cpus = 2
[resources.queues.urgent]
priority = 10
"""


class Shared:
    """Two projects over one workspace; what their steps note is in one file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes = root / "notes"
        for name, queue in (("one", "default"), ("other", "default"), ("urgent", "urgent")):
            (root / name).mkdir()
            (root / name / "mulle.toml").write_text(TOML.format(name=name, queue=queue))
            (root / name / "project.py").write_text(PROJECT.format(notes=self.notes))
        self.told("resources")  # which makes the workspace

    def run(self, project: str, *words: str, user: str = "ada") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mulle.cli", "-C", str(self.root / project), "run", *words, "--json"]
        environment = {**os.environ, "LOGNAME": user}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def told(self, *words: str) -> Any:
        command = [sys.executable, "-m", "mulle.cli", "-C", str(self.root / "one"), *words, "--json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    def noted(self) -> list[tuple[float, str, int, int]]:
        if not self.notes.exists():
            return []
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return [(float(at), what, int(cpus), int(pid)) for at, what, cpus, pid in lines]

    def wait_for(self, ready: Callable[[], Any], seconds: float = 60.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < deadline, (self.noted()[-5:], self.told("resources"))
            time.sleep(0.02)
        return found

    def most_at_once(self, killed: float | None = None, lost: frozenset[int] = frozenset()) -> int:
        """The most cores that steps held at once; those of a killed process only until then."""
        held, most = dict[int, int](), 0
        for at, _, cpus, pid in sorted(self.noted()):
            if killed is not None and at >= killed:
                held = {each: count for each, count in held.items() if each not in lost}
            held[pid] = held.get(pid, 0) + cpus
            most = max(most, sum(held.values()))
        return most


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


def test_two_projects_of_two_users_share_the_machine(shared: Shared) -> None:
    runs = [shared.run("one", "many"), shared.run("other", "many", user="bob")]
    told = [json.loads(run.communicate(timeout=120)[0]) for run in runs]
    assert [each["status"] for each in told] == ["succeeded", "succeeded"]
    assert sum(what == "begins" for _, what, _, _ in shared.noted()) == 14
    assert shared.most_at_once() == 2
    past = shared.told("resources", "history", "--limit", "100")
    assert {(each["project"], each["user"].partition("@")[0]) for each in past} >= {("one", "ada"), ("other", "bob")}
    assert sum(step["times"] for step in shared.told("resources", "cost", told[0]["id"])["steps"]) == 7


def test_what_a_killed_run_held_is_given_back(shared: Shared) -> None:
    first = shared.run("one", "alone")
    shared.wait_for(shared.noted)
    second = shared.run("other", "quick")
    shared.wait_for(lambda: shared.told("resources")["queue"])
    [waiting] = shared.told("resources")["queue"]
    assert (waiting["project"], waiting["why"], waiting["lacking"]) == ("other", "room", ["cpus"])
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert json.loads(second.communicate(timeout=60)[0])["status"] == "succeeded"
    lost = shared.told("resources", "history", "--project", "one", "--pipeline", "alone")
    assert [each["outcome"] for each in lost] == ["lost"]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(1, 50)))
def test_kills_at_random_moments_never_overcommit(shared: Shared, seed: int) -> None:
    draw = random.Random(seed)
    words = ("many", "--param", "steps=12", "--param", "seconds=0.1")
    victim, other = shared.run("one", *words), shared.run("other", *words)
    shared.wait_for(shared.noted)
    time.sleep(draw.uniform(0, 1.0))
    os.kill(victim.pid, signal.SIGKILL)
    killed = time.monotonic()
    victim.communicate()
    again = shared.run("one", *words)
    for run in (other, again):
        assert json.loads(run.communicate(timeout=120)[0])["status"] == "succeeded"
    begun = {pid for at, what, _, pid in shared.noted() if at < killed and what == "begins"}
    over = {pid for at, what, _, pid in shared.noted() if at > killed + 0.5}
    assert shared.most_at_once(killed, frozenset(begun - over)) <= 2


def test_a_more_important_run_takes_over_and_the_other_goes_on_from_its_checkpoint(shared: Shared) -> None:
    low = shared.run("one", "training")
    shared.wait_for(lambda: any(what == "from-0" for _, what, _, _ in shared.noted()))
    time.sleep(1.5)
    assert json.loads(shared.run("urgent", "quick").communicate(timeout=60)[0])["status"] == "succeeded"
    told = json.loads(low.communicate(timeout=120)[0])
    assert told["status"] == "succeeded"
    words = [what for _, what, _, _ in sorted(shared.noted())]
    assert words[:3] == ["from-0", "begins", "ends"], "the urgent one was next, and alone"
    resumed = int(words[3].removeprefix("from-"))
    assert 5 <= resumed < 60
    past = shared.told("resources", "history", "--step", "train")
    assert [each["outcome"] for each in past] == ["done", "gave way"]
    [row] = shared.told("runs", "steps", told["id"])
    assert (row["status"], row["attempts"]) == ("executed", 2)
