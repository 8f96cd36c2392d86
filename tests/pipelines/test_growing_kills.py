"""A graph that grows while it runs, killed on its way again and again: the same result, and little is done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from tests.pipelines.generated import Generated

from mulle.testing.soak import repeat

GROWING = """
import time
from pathlib import Path

import mulle

HERE = Path(__file__).parent


def mark(name):
    with (HERE / "executed").open("a") as file:
        file.write(f"{name}\\n")
    time.sleep(0.02)


@mulle.step
def grow(n: int) -> int:
    mark(f"grow-{n}")
    return n * 2


@mulle.step
def enough(n: int) -> bool:
    return n >= 16


@mulle.step
def items(n: int) -> list:
    return list(range(n))


@mulle.step
def work(n: int) -> int:
    mark(f"work-{n}")
    return n


@mulle.step
def add(a: int, b: int) -> int:
    return a + b


@mulle.pipeline
def main():
    n = mulle.loop(grow, 1, until=enough, most=8)
    return mulle.when(enough(n), lambda: add.reduce(work.map(items(n))), lambda: -1)
"""


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(2, 40)))
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, seed: int) -> None:
    generated = Generated(tmp_path, {"project": GROWING})
    chance = random.Random(seed)
    kills = 0
    for _ in range(3):
        process = generated.start("main", chance.choice(["in-process", "process"]))
        try:
            process.communicate(timeout=1.0 + chance.random() * 1.5)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
    assert generated.run()["values"] == {"result": str(sum(range(16)))}
    executed = generated.executed()
    assert set(executed) == {f"grow-{n}" for n in (1, 2, 4, 8)} | {f"work-{n}" for n in range(16)}
    assert len(executed) <= 20 + kills * 2
