"""Runs whose process is asked to end, hangs, or was taken for dead."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.pipelines.drive import Site, opened
from tests.pipelines.generated import Generated

from mulle.errors import PipelineError
from mulle.pipelines import RunService, keeper
from mulle.pipelines.retrying import LONGEST_SECONDS, pause
from mulle.resources.process import HUNG_SECONDS
from mulle.tracking.tables import run

Make = Callable[..., Site]

SLOW = """
import time
from pathlib import Path
import mulle

HERE = Path(__file__).parent


@mulle.step
def quick() -> int:
    with (HERE / "executed").open("a") as file:
        file.write("quick\\n")
    return 1


@mulle.step
def slow(x: int) -> int:
    with (HERE / "executed").open("a") as file:
        file.write("slow\\n")
    while (HERE / "hold").exists():
        time.sleep(0.01)
    return x + 1


@mulle.pipeline
def main():
    return slow(quick())
"""


def _when(ask: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def test_a_run_in_this_process_is_cancelled_while_its_step_waits(site: Make, tmp_path: Path) -> None:
    made = site(project=SLOW)
    (tmp_path / "hold").touch()
    service = RunService(catalog=made.catalog, workspace=made.workspace)

    def cancel() -> None:
        _when(lambda: (tmp_path / "executed").exists() and "slow" in (tmp_path / "executed").read_text())
        service.cancel(service.list(1)[0].id)

    thread = threading.Thread(target=cancel)
    thread.start()
    result = made.run()
    thread.join(60)
    assert (result.status, service.show(result.id).status) == ("cancelled", "cancelled")


def _stopped(root: Path) -> subprocess.Popen[str]:
    """A process that drives a run, stopped in the middle of it, whose lease has run out."""
    (root / "hold").touch()
    process = Generated(root, {"project": SLOW}).start("main", "in-process")
    _when(lambda: (root / "executed").exists() and "slow" in (root / "executed").read_text())
    os.kill(process.pid, signal.SIGSTOP)
    with opened(root) as site, site.catalog.write() as tx:
        tx.execute(update(run).values(beat=run.c.beat - 2 * HUNG_SECONDS))
    return process


@pytest.mark.slow
def test_a_run_whose_process_hangs_is_given_up_and_gone_on_with(tmp_path: Path) -> None:
    process = _stopped(tmp_path)
    try:
        (tmp_path / "hold").unlink()
        with opened(tmp_path) as site:
            service = RunService(catalog=site.catalog, workspace=site.workspace)
            given_up = service.list(1)[0]
            assert (given_up.status, "nothing was heard" in given_up.error) == ("failed", True)
            result = site.run()
            assert [(step.name, step.status) for step in result.steps] == [("quick", "cached"), ("slow", "executed")]
    finally:
        process.kill()
        process.communicate()


def test_a_process_that_was_taken_for_dead_records_nothing_more(
    site: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "HUNG_SECONDS", 0.05)
    made = site(project=SLOW)
    (tmp_path / "hold").touch()
    service = RunService(catalog=made.catalog, workspace=made.workspace)
    steps: list[Any] = []

    def give_up() -> None:
        _when(lambda: (tmp_path / "executed").exists() and "slow" in (tmp_path / "executed").read_text())
        with made.catalog.write() as tx:
            tx.execute(update(run).values(beat=run.c.beat - 2 * HUNG_SECONDS, process=_nobody(tx)))
        steps.append(service.steps(service.list(1)[0].id))
        (tmp_path / "hold").unlink()

    thread = threading.Thread(target=give_up)
    thread.start()
    with pytest.raises(PipelineError, match="given up while this process did not answer"):
        made.run()
    thread.join(60)
    given_up = service.list(1)[0]
    assert given_up.status == "failed"
    assert service.steps(given_up.id) == steps[0]


def _nobody(tx: Any) -> Any:
    """The process that drives the only run, as one that is dead."""
    return tx.scalar(select(run.c.process)) | {"pid": 1, "started": 1.0}


def test_pauses_grow_and_differ_and_are_the_same_for_the_same_seed() -> None:
    first = [pause(1.0, 1, f"step-{number}") for number in range(50)]
    assert all(0.5 <= each <= 1.0 for each in first)
    assert len(set(first)) == 50
    assert first == [pause(1.0, 1, f"step-{number}") for number in range(50)]
    assert all(pause(1.0, 4, seed) >= 4.0 for seed in "abc")
    assert pause(1.0, 500, "a") <= LONGEST_SECONDS
