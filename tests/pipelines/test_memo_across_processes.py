"""What is run again after an edit, a crash, or beside another process; every run is a process of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from tests.pipelines.generated import Generated, statuses

pytestmark = pytest.mark.slow


@pytest.fixture
def generated(tmp_path: Path) -> Generated:
    return Generated(tmp_path)


def test_the_second_run_executes_nothing(generated: Generated) -> None:
    generated.run()
    assert generated.run()["result"]["steps_executed"] == 0
    assert generated.executed() == ["first", "second", "third", "fourth"]


def test_a_reworded_comment_executes_nothing(generated: Generated) -> None:
    generated.run()
    generated.edit("helpers", "# reached by the second step", "# other words\n    # and more of them")
    generated.edit("helpers", '"""Scales."""', '"""Scales by a constant."""')
    assert generated.run()["result"]["steps_executed"] == 0


def test_a_constant_two_calls_below_in_another_module_executes_what_reaches_it(generated: Generated) -> None:
    before = generated.run()
    generated.edit("deep", "FACTOR = 2", "FACTOR = 3")
    after = generated.run()
    assert statuses(after)["first"] == "cached"
    assert statuses(after)["second"] == "executed"
    assert (before["values"], after["values"]) == ({"result": "100"}, {"result": "100"})


def test_an_equal_output_executes_nothing_below_it(generated: Generated) -> None:
    generated.run()
    generated.edit("deep", "FACTOR = 2", "FACTOR = 4")
    assert statuses(generated.run()) == {
        "first": "cached",
        "second": "executed",
        "third": "executed",
        "fourth": "cached",
    }


def test_a_parameter_executes_what_depends_on_it(generated: Generated) -> None:
    generated.run()
    assert generated.run("main", "in-process", "n=2")["result"]["steps_executed"] == 3


def _await(path: Path, word: str) -> None:
    deadline = time.monotonic() + 240
    while not (path.exists() and word in path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_after_kill_9_only_unfinished_steps_run(generated: Generated, kind: str) -> None:
    (generated.root / "hold-third").touch()
    process = generated.start("main", kind)
    _await(generated.root / "executed", "third")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (generated.root / "hold-third").unlink()
    generated.executed()
    told = generated.run("main", kind)
    assert told["values"] == {"result": "100"}
    assert generated.executed() == ["third", "fourth"]


def test_a_killed_run_is_said_to_be_killed(generated: Generated) -> None:
    (generated.root / "hold-second").touch()
    process = generated.start()
    _await(generated.root / "executed", "second")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (generated.root / "hold-second").unlink()
    generated.run()
    with sqlite3.connect(generated.root / ".mulle/catalog.db") as database:
        found = database.execute("SELECT status, error FROM run ORDER BY id").fetchall()
    database.close()
    assert [status for status, _ in found] == ["failed", "succeeded"]
    assert "killed" in found[0][1]


def test_two_processes_at_once_compute_each_step_once(generated: Generated) -> None:
    generated.run("main", "in-process", "n=1")  # the workspace is there
    generated.edit("project", "return x + 100", "return x + 200")
    generated.executed()
    (generated.root / "hold-first").touch()
    processes = [generated.start("main", "in-process", "n=5") for _ in range(2)]
    _await(generated.root / "executed", "first")
    time.sleep(1.5)
    (generated.root / "hold-first").unlink()
    told = [generated.finish(process) for process in processes]
    assert [each["values"] for each in told] == [{"result": "200"}] * 2
    assert generated.executed() == ["first", "second", "third", "fourth"]


def test_the_catalog_is_whole_after_all_that(generated: Generated) -> None:
    generated.run()
    for process in [generated.start("main", "in-process", f"n={n}") for n in (1, 3, 3, 4)]:
        generated.finish(process)
    with sqlite3.connect(generated.root / ".mulle/catalog.db") as database:
        ((result,),) = database.execute("PRAGMA integrity_check").fetchall()
        ((flights,),) = database.execute("SELECT count(*) FROM memo_flight").fetchall()
    database.close()
    assert (result, flights) == ("ok", 0)
