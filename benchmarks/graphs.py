"""What the graph itself costs: many steps, wide ones, and runs that find everything known already."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import MULLE, PYTHON, Figure, command, function, measure, publish

from mulle.workspace import Workspace

MANY = 10_000
FEWER = 2_500
WIDE = 100
MEMORY_MIB = 300
PROJECT = f"""
import mulle


@mulle.step
def add(value: int, more: int) -> int:
    return value + more


@mulle.step
def total(values: list) -> int:
    return sum(values)


@mulle.pipeline
def chain(steps: int = {MANY}):
    value = 0
    for more in range(steps):
        value = add(value, more)
    return value


@mulle.pipeline
def wide(start: int = 0, steps: int = {WIDE}):
    return total([add(start, more) for more in range(steps)])
"""
PEAK = """
import resource, sys
from mulle.workspace import Workspace
with Workspace.open(sys.argv[1]) as ws:
    result = ws.run("chain")
    assert result.steps_executed == 0, result.steps_executed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _project(folder: Path, executor: str) -> Workspace:
    folder.mkdir()
    (folder / "mulle.toml").write_text(f'[project]\nname = "graphs"\n\n[run]\nexecutor = "{executor}"\nworkers = 2\n')
    (folder / "project.py").write_text(PROJECT)
    return Workspace.open(folder)


def _wide(workspace: Workspace, fresh: itertools.count[int]) -> Callable[[], Any]:
    return lambda: workspace.run("wide", {"start": next(fresh) * 1_000_000}).check()


def main() -> list[Figure]:
    """Measure and publish."""
    fresh = itertools.count(1)
    with tempfile.TemporaryDirectory() as folder:
        here, pooled = Path(folder, "here"), Path(folder, "pooled")
        with _project(here, "in-process") as alone, _project(pooled, "process") as pool:
            fanned = [
                measure("fan-out of 100 and join, in process", function(_wide(alone, fresh)), n=7, budget=0.3),
                measure("fan-out of 100 and join, process pool", function(_wide(pool, fresh)), n=7, budget=1.0),
            ]
            alone.run("chain", {"steps": MANY}).check()
            fewer = (f"{FEWER} steps", function(lambda: alone.run("chain", {"steps": FEWER})))
            again = function(lambda: alone.run("chain", {"steps": MANY}))
            many = [
                measure("10,000 steps: what a run would do", function(lambda: alone.plan("chain")), n=3, budget=5.0),
                measure("10,000 steps, nothing changed", again, n=3, budget=5.0),
                measure("the same beside a quarter of it", again, n=3, baseline=fewer, budget=5.0, of="cpu_ratio"),
            ]
        peak = int(subprocess.run([PYTHON, "-c", PEAK, here], capture_output=True, check=True, text=True).stdout)
        run = command([MULLE, "-C", here, "run", "chain", "--param", "steps=10", "--json"])
        imported = ("importing the project", command([PYTHON, "-c", "import project"], cwd=here))
        note = f"a process that does only this: {peak} MiB of {MEMORY_MIB} at its peak"
        many[1] = measure("10,000 steps, nothing changed", again_in(here), n=3, budget=5.0, note=note)
        small = measure("10 steps, nothing changed", run, n=9, baseline=imported, budget=0.5, of="wall_over")
    figures = [*fanned, *many, small]
    publish("graphs", figures, steps=MANY, peak_mib=peak)
    return figures


def again_in(folder: Path) -> Any:
    """A run of the long chain from the command line."""
    return command([MULLE, "-C", folder, "run", "chain", "--json"])


if __name__ == "__main__":
    main()
