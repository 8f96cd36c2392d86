"""A mapped step that is killed on its way, again and again: no partition is lost, and few are done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest
from tests.pipelines.drive import opened
from tests.pipelines.generated import Generated

from mulle.testing.soak import repeat

PARTED = """
import time
from pathlib import Path

import mulle

HERE = Path(__file__).parent
things = mulle.dataset("things")


@mulle.step
def slow(rows: mulle.Table) -> mulle.Table:
    with (HERE / "executed").open("a") as file:
        file.write(f"{rows['kind'][0]}\\n")
    time.sleep(0.02)
    return rows


@mulle.step
def total(rows: mulle.Table) -> int:
    return rows["value"].sum()


@mulle.pipeline
def main():
    rows = mulle.union(slow.map(mulle.partitions(things, by="kind")))
    mulle.commit("copy", rows)
    return total(rows)
"""


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(2, 40)))
def test_no_partition_is_lost_and_few_are_done_again(tmp_path: Path, seed: int) -> None:
    generated = Generated(tmp_path, {"project": PARTED})
    rows = pl.DataFrame({"kind": [n % 25 for n in range(100)], "value": range(100)})
    with opened(tmp_path) as site:
        site.data.commit("things", rows)
    chance = random.Random(seed)
    kills = 0
    for _ in range(3):
        process = generated.start("main", chance.choice(["in-process", "process"]))
        try:
            process.communicate(timeout=1.2 + chance.random() * 1.5)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
    assert generated.run()["values"] == {"result": str(sum(range(100)))}
    executed = generated.executed()
    assert set(executed) == {str(n) for n in range(25)}
    assert len(executed) <= 25 + kills * 2
    with opened(tmp_path) as site:
        assert [version.number for version in site.data.log("copy")] == [1]
        assert site.data.read("copy").sort("value").equals(rows)
