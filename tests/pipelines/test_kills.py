"""Runs that are killed at any instant, again and again, until one comes through."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.pipelines.drive import opened
from tests.pipelines.generated import Generated

from mulle.catalog import ledger
from mulle.pipelines import family
from mulle.pipelines.tables import flight, memo, step_run
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


MIXED = """
import random
import time

import mulle


@mulle.step(retries=20, backoff="10ms")
def part(number: int) -> list:
    time.sleep(0.05)
    return [random.Random(number).random() for _ in range(1000)]


@mulle.step(retries=20, backoff="10ms")
def train(parts: list, epochs: int) -> float:
    done, weight = mulle.checkpoint.load() or (0, 0.0)
    for epoch in range(done, epochs):
        weight = weight * 0.9 + sum(map(sum, parts)) / (epoch + 1)
        mulle.checkpoint.save(weight, step=epoch + 1)
        time.sleep(0.02)
    return weight


wide = mulle.command(
    ["sh", "-c", "sleep 0.05; echo {weight} > {out}"],
    outputs={"out": "out.txt"},
    name="wide",
    retries=20,
    backoff="10ms",
)


@mulle.pipeline
def main(parts: int = 6):
    return wide(train(part.map(list(range(parts))), 10))
"""


def _digest(told: dict[str, Any]) -> str:
    return str(told["result"]["outputs"]["result"]["digest"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run that nobody disturbs."""
    return _digest(Generated(tmp_path_factory.mktemp("whole"), {"project": MIXED}).run())


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(2, 200)))
def test_workers_and_controllers_that_are_killed_change_no_digest_and_commit_nothing_twice(
    tmp_path: Path, whole: str, seed: int
) -> None:
    generated = Generated(tmp_path, {"project": MIXED})
    chance = random.Random(seed)
    process = None
    for _ in range(chance.randint(2, 5)):
        if process is None or process.poll() is not None:
            process = generated.start("main", "process")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.3 + chance.random() * 1.2)
        workers = family.descendants(process.pid)
        victim = chance.choice([process.pid, *workers, *workers])
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        if victim == process.pid:
            process.communicate()
    if process is not None and process.poll() is None:
        process.communicate(timeout=120)
    assert _digest(generated.run("main", "process")) == whole
    with opened(tmp_path) as site, site.catalog.read() as tx:
        executed = select(func.count().label("times")).where(step_run.c.status == "executed").group_by(step_run.c.key)
        assert {row.times for row in tx.all(executed)} == {1}
        assert tx.scalar(select(func.count()).select_from(memo)) == 8
        assert tx.scalar(select(func.count()).select_from(flight)) == 0
        assert ledger.verify(tx).count > 0
    checkpoints = tmp_path / ".mulle" / "checkpoints"
    assert not checkpoints.is_dir() or not [path for path in checkpoints.rglob("*") if path.is_file()]
