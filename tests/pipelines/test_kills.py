"""Runs that are killed at any instant, again and again, until one comes through."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from tests.pipelines.drive import opened
from tests.pipelines.generated import Generated

from mulle.catalog import ledger
from mulle.testing.soak import repeat

LONG = """
import time
from pathlib import Path

import mulle

HERE = Path(__file__).parent


@mulle.step
def link(x: int) -> int:
    with (HERE / "executed").open("a") as file:
        file.write(f"{x}\\n")
    mulle.log_metric("x", x)
    time.sleep(0.02)
    return x + 1


@mulle.pipeline
def main(n: int = 0):
    for _ in range(25):
        n = link(n)
    return n
"""


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(2, 40)))
def test_nothing_that_was_committed_is_lost_or_done_again(tmp_path: Path, seed: int) -> None:
    generated = Generated(tmp_path, {"project": LONG})
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
    assert generated.run()["values"] == {"result": "25"}
    executed = generated.executed()
    assert set(executed) == {str(n) for n in range(25)}
    assert len(executed) <= 25 + kills * 2
    with opened(tmp_path) as site, site.catalog.read() as tx:
        assert ledger.verify(tx).count > 0
