"""What it costs to hand 100 MB from one step to the next: from the producer's return to the consumer's first line."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.harness import Cost, Figure, measure, publish

from mulle.workspace import Workspace

COLUMNS, ROWS = 10, 1_250_000
BYTES = COLUMNS * ROWS * 8
PROJECT = f"""
import json
import time
from pathlib import Path

import mulle
import numpy as np
import polars as pl

HERE = Path(__file__).parent


@mulle.step(cache=False)
def make(rows: int, seed: int) -> pl.DataFrame:
    cpu = time.process_time()
    chance = np.random.default_rng(seed)
    table = pl.DataFrame({{f"c{{number}}": chance.random(rows) for number in range({COLUMNS})}})
    (HERE / "made").write_text(json.dumps([time.monotonic(), time.process_time() - cpu]))
    return table


@mulle.step(cache=False)
def take(table: pl.DataFrame) -> float:
    began = time.monotonic()
    cpu = time.process_time()
    total = float(table["c0"].sum())
    (HERE / "taken").write_text(json.dumps([began, time.process_time() - cpu]))
    return total


@mulle.pipeline
def main(rows: int = {ROWS}, seed: int = 0):
    return take(make(rows, seed))
"""


def main() -> list[Figure]:
    """Measure and publish."""
    figures = []
    for kind in ("in-process", "process"):
        with tempfile.TemporaryDirectory() as folder:
            figures += _measured(Path(folder), kind)
    publish("handoff", figures, bytes=BYTES)
    return figures


def _measured(root: Path, kind: str) -> list[Figure]:
    (root / "mulle.toml").write_text(f'[run]\nexecutor = "{kind}"\n')
    (root / "project.py").write_text(PROJECT)
    fresh = itertools.count()
    workspace = Workspace.open(root)
    raw = _raw(root)
    try:
        _run(workspace, 10, next(fresh))
        least = _run(workspace, 10, next(fresh))[1]
        peaks: list[int] = []

        def handed() -> Cost:
            cost, peak = _run(workspace, ROWS, next(fresh))
            peaks.append(peak)
            return cost

        wall = measure(
            f"100 MB Arrow to the next step, {kind}",
            handed,
            n=5,
            baseline=("one write and fsync of as many bytes", raw),
            budget=0.15,
            of="wall_over",
        )
        ratio = (max(peaks) - least) / BYTES
        memory = Figure(
            name=f"peak memory over a small table's, of the data, {kind}",
            n=len(peaks),
            wall=wall.wall,
            cpu=wall.cpu,
            wall_low=wall.wall_low,
            wall_high=wall.wall_high,
            bytes_ratio=ratio,
            budget=2.2,
            measure="bytes_ratio",
            met=ratio <= 2.2,
        )
    finally:
        workspace.close()
    return [wall, memory]


def _run(workspace: Workspace, rows: int, seed: int) -> tuple[Cost, int]:
    """One run: what the hand-off cost, and the most memory that a step held."""
    result = workspace.run("main", {"rows": rows, "seed": seed}).check()
    made, taken = (msgspec.json.decode((workspace.settings.root / name).read_bytes()) for name in ("made", "taken"))
    cpu = sum(step.cpu_seconds for step in result.steps) - made[1] - taken[1]
    return Cost(taken[0] - made[0], cpu), max(step.peak_memory for step in workspace.runs.steps(result.id))


def _raw(folder: Path) -> Callable[[], Cost]:
    number = itertools.count()

    def write() -> Cost:
        """Made anew each time and kept, as the step's table is: what others freed would be quick to fill."""
        place = next(number)
        data = memoryview(np.random.default_rng(place).random(BYTES // 8)).cast("B")
        cpu, began = time.process_time(), time.perf_counter()
        fd = os.open(folder / f"raw{place}", os.O_CREAT | os.O_WRONLY)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)
        return Cost(time.perf_counter() - began, time.process_time() - cpu)

    return write


if __name__ == "__main__":
    sys.exit(0 if all(figure.met is not False for figure in main()) else 1)
