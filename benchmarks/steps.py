"""What a step costs beyond its own work: traced, run in process, its output stored, its step run and memo recorded."""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure, function, measure, publish

from mulle.pipelines.sampling import Sampler
from mulle.workspace import Workspace

STEPS = 100
LOOKED_AT_SECONDS = 5
PROJECT = f"""
import mulle


@mulle.step
def add(value: int, more: int) -> int:
    return value + more


@mulle.pipeline
def many(start: int = 0):
    value = start
    for more in range({STEPS}):
        value = add(value, more)
"""


def looked_at() -> None:
    """A step of some seconds that does nothing but is looked at."""
    sampler = Sampler()
    sampler.begin()
    time.sleep(LOOKED_AT_SECONDS)
    sampler.end()


def main() -> list[Figure]:
    """Measure and publish."""
    fresh = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "mulle.toml").write_text('[project]\nname = "many"\n\n[run]\nexecutor = "in-process"\n')
        (root / "project.py").write_text(PROJECT)
        workspace = Workspace.open(root)
        try:
            executed = function(lambda: workspace.run("many", {"start": next(fresh) * 1_000_000}), unit=STEPS)
            workspace.run("many", {"start": -1})
            cached = function(lambda: workspace.run("many", {"start": -1}), unit=STEPS)
            figures = [
                measure("a step, executed and persisted", executed, n=7, budget=0.005),
                measure("a step, known already", cached, n=7, budget=0.002),
                measure(
                    "a second in which what a step uses is looked at",
                    function(looked_at, unit=LOOKED_AT_SECONDS),
                    n=3,
                    budget=0.01,
                    of="cpu",
                ),
            ]
        finally:
            workspace.close()
    publish("steps", figures, steps=STEPS)
    return figures


if __name__ == "__main__":
    main()
