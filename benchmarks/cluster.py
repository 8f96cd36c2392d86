"""Small steps on two nodes of a Ray cluster, recorded one and all, beside Ray's own tasks that nobody records."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from benchmarks.harness import Cost, Figure, Subject, measure, publish

from mulle.adapters.ray.cluster import disconnect
from mulle.testing.ray_cluster import RayCluster
from mulle.workspace import Workspace

STEPS = 1000
WARM = 40
PROJECT = """
import mulle


@mulle.step
def add(x: int, salt: int) -> int:
    return x + salt


@mulle.pipeline
def many(salt: int, steps: int):
    return add.map(list(range(steps)), salt)
"""


def _cpu() -> float:
    """Processor seconds of this process and of all that it started."""
    found = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found += times.user + times.system
    return found


def _timed(work: Callable[[], object]) -> Cost:
    cpu, began = _cpu(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - began, _cpu() - cpu)


def _steps(root: Path, salts: itertools.count[int]) -> Subject:
    def call() -> Cost:
        with Workspace.open(root) as ws:
            ws.run("many", {"salt": next(salts), "steps": WARM}).check()
            cost = _timed(lambda: ws.run("many", {"salt": next(salts), "steps": STEPS}).check())
        disconnect()  # what is reserved is free for the other
        return cost

    return call


def _tasks(address: str) -> Subject:
    def call() -> Cost:
        import ray  # noqa: PLC0415 - only here

        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        add = ray.remote(lambda x, salt: x + salt)
        ray.get([add.remote(x, 1) for x in range(WARM)])
        cost = _timed(lambda: ray.get([add.remote(x, 1) for x in range(STEPS)]))
        ray.shutdown()
        return cost

    return call


def main() -> list[Figure]:
    """Measure and publish."""
    with tempfile.TemporaryDirectory() as folder, RayCluster(2) as cluster:
        root = Path(folder)
        os.environ |= {"MULLE_EXECUTOR": "ray", "MULLE_CLUSTER": cluster.address}
        (root / "mulle.toml").write_text('[project]\nname = "cluster"\n')
        (root / "project.py").write_text(PROJECT)
        raw = ("Ray's own tasks, not recorded", _tasks(cluster.address))
        name = f"{STEPS} small steps on 2 nodes of Ray, recorded"
        figures = [measure(name, _steps(root, itertools.count()), n=5, baseline=raw, budget=3.0, of="cpu_ratio")]
        for name in ("MULLE_EXECUTOR", "MULLE_CLUSTER"):
            del os.environ[name]
    publish("cluster", figures)
    return figures


if __name__ == "__main__":
    main()
