"""Steps on the nodes of a Ray cluster: the contract of executors, and what happens when nodes die."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.pipelines.drive import opened
from tests.pipelines.generated import Generated, statuses

from mulle.adapters import ray
from mulle.catalog import ledger
from mulle.errors import PipelineError
from mulle.pipelines.executor import Executor
from mulle.pipelines.task import Plain, Task
from mulle.pipelines.worker import Place
from mulle.testing.executors import ElsewhereContract
from mulle.testing.ray_cluster import RayCluster
from mulle.testing.soak import repeat

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

LONG = """
import time
from pathlib import Path

import mulle

HERE = Path(__file__).parent


@mulle.step(retries=2)
def link(x: int, lane: int) -> int:
    with (HERE / "executed").open("a") as file:
        file.write(f"{lane}.{x}\\n")
    mulle.log_metric("x", x)
    time.sleep(0.05)
    return x + 1


@mulle.step
def total(xs: list[int]) -> int:
    return sum(xs)


@mulle.pipeline
def main(n: int = 0):
    ends = []
    for lane in range(4):
        x = n
        for _ in range(8):
            x = link(x, lane)
        ends.append(x)
    return total(ends)
"""


class TestRay(ElsewhereContract):
    @pytest.fixture
    def executor(self, project: Path, cluster: RayCluster) -> Iterator[Executor]:
        made = ray.make(Place(str(project), "project", str(project / ".mulle")), 0, cluster.address)
        yield made
        made.close()

    def test_the_tasks_of_a_node_that_is_cut_off_fail_within_seconds(
        self, executor: Executor, cluster: RayCluster
    ) -> None:
        tasks = [_sleeping(number, 60) for number in range(2)]
        futures = [executor.submit(task, None) for task in tasks]
        time.sleep(3)
        cluster.signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            while not any(future.done() for future in futures) and time.monotonic() - began < 30:
                time.sleep(0.05)
            took = time.monotonic() - began
            lost = [future.result() for future in futures if future.done()]
        finally:
            cluster.signal(signal.SIGCONT)
        for task in tasks:
            executor.cancel(task.step_run)
        assert [outcome.failure.kind for outcome in lost if outcome.failure] == ["NodeLost"]
        assert took < 9
        assert sorted(future.result(30).failure.kind for future in futures) == ["Cancelled", "NodeLost"]  # type: ignore[union-attr]

    def test_a_node_that_does_not_see_the_project_is_told(self, cluster: RayCluster, tmp_path: Path) -> None:
        elsewhere = ray.make(Place("/nowhere", "project", str(tmp_path)), 0, cluster.address)
        failure = elsewhere.submit(_sleeping(9, 0), None).result(60).failure
        elsewhere.close()
        assert failure is not None
        assert (failure.kind, failure.final, "/nowhere" in failure.message) == ("NotShared", True, True)


def _sleeping(number: int, seconds: float) -> Task:
    given: dict[str, Any] = {"seconds": Plain(msgspec.msgpack.encode(seconds))}
    return Task(f"sleeps-{number}", f"sleeps-{number}", "sleeps", "project", "sleeps", given, None)


@pytest.fixture
def generated(tmp_path: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> Generated:
    monkeypatch.setenv("CLUSTER", cluster.address)
    return Generated(tmp_path, {"project": LONG})


def test_the_same_project_gives_the_same_digests(generated: Generated, tmp_path: Path) -> None:
    there = generated.run("main", "ray")
    assert set(statuses(there).values()) == {"executed"}
    here = generated.run("main", "in-process")
    assert set(statuses(here).values()) == {"cached"}
    (tmp_path / "catalog").mkdir()
    fresh = Generated(tmp_path / "catalog", {"project": LONG}).run("main", "in-process")
    assert fresh["result"]["outputs"] == there["result"]["outputs"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path, address: str) -> None:
    executor = ray.make(Place(str(tmp_path), "project", str(tmp_path)), 0, address)
    with pytest.raises(PipelineError, match="cannot be reached"):
        executor.submit(_sleeping(0, 0), None)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(1, 20)))
def test_nothing_is_lost_or_done_twice_when_a_node_dies(
    generated: Generated, cluster: RayCluster, tmp_path: Path, seed: int
) -> None:
    """A node, a worker or the controller is killed on the way; the run, or the next one, comes to the same end."""
    chance = random.Random(seed)
    victim = ["node", "worker", "controller"][seed % 3]
    process = generated.start("main", "ray")
    _wait_until(tmp_path / "executed", chance.randrange(2, 20), process)
    if victim == "node":
        cluster.kill()
        cluster.add()
    elif victim == "worker":
        _kill_a_worker(str(tmp_path), chance)
    else:
        os.kill(process.pid, signal.SIGKILL)
    if victim == "controller":
        process.communicate()
        process = generated.start("main", "ray")
    assert generated.finish(process)["values"] == {"result": "32"}
    executed = generated.executed()
    assert set(executed) == {f"{lane}.{x}" for lane in range(4) for x in range(8)}
    assert len(executed) <= 32 + 4
    with opened(tmp_path) as site, site.catalog.read() as tx:
        assert ledger.verify(tx).count > 0
        assert len(set(_memoised(tx))) == len(_memoised(tx)) == 33


def _wait_until(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and len(path.read_text().split()) >= lines:
            return
        time.sleep(0.01)


def _kill_a_worker(root: str, chance: random.Random) -> None:
    import psutil

    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "mulle.pipelines.worker" in (process.info["cmdline"] or []) and root in " ".join(process.info["cmdline"])
    ]
    if found:
        chance.choice(found).kill()


def _memoised(tx: Any) -> list[str]:
    from sqlalchemy import select

    from mulle.pipelines.tables import memo

    return [row.step_run for row in tx.all(select(memo.c.step_run))]
