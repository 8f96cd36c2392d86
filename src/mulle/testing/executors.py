"""What every executor must do: a suite to run against an implementation.

    class TestMine(ExecutorContract):
        @pytest.fixture
        def executor(self, project: Path) -> Iterator[Executor]: ...

`project` is a folder with the module `project` and a workspace in `.mulle`; its functions are this module's `SOURCE`.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from mulle.access import Signer
from mulle.pipelines import values
from mulle.pipelines.executor import Executor
from mulle.pipelines.task import Argument, Outcome, Plain, Stored, Task
from mulle.pipelines.values import Shelf
from mulle.spool import read_segments
from mulle.store import LocalStore

SOURCE = """
import os, sys, time
import mulle

@mulle.step
def add(a, b):
    return a + b

@mulle.step
def pair(a) -> tuple[int, int]:
    return a, a + 1

@mulle.step
def fails(a):
    raise ValueError(f"cannot take {a}")

@mulle.step
def exits():
    sys.exit(3)

@mulle.step
def talks():
    print("to stdout")
    print("to stderr", file=sys.stderr)

@mulle.step
def logs():
    mulle.log_metric("loss", 0.5)
    mulle.log_metric("loss", 0.25)

@mulle.step
def sleeps(seconds):
    time.sleep(seconds)
    return seconds

@mulle.step
def meets(folder, mine, other):
    open(os.path.join(folder, mine), "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(os.path.join(folder, other)):
        if time.monotonic() > end:
            raise TimeoutError("nobody came")
        time.sleep(0.01)

@mulle.step
def works(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

@mulle.step
def threads():
    return os.environ.get("OMP_NUM_THREADS", "")

@mulle.step
def grows(mebibytes):
    return len(bytearray(mebibytes << 20))

@mulle.step
def cannot_be_kept():
    import threading
    return threading.Lock()
"""


class ExecutorContract:
    """The suite. An implementation brings the fixture `executor`."""

    @pytest.fixture
    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        (tmp_path / "project.py").write_text(SOURCE)
        (tmp_path / ".mulle").mkdir()
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("project", None)
        yield tmp_path
        sys.modules.pop("project", None)

    @pytest.fixture
    def module(self, project: Path) -> ModuleType:
        assert project.is_dir()
        importlib.invalidate_caches()
        return importlib.import_module("project")

    @pytest.fixture
    def shelf(self, project: Path) -> Shelf:
        workspace = project / ".mulle"
        return Shelf(LocalStore(workspace), Signer(workspace / "keys"), workspace / "tmp")

    @pytest.fixture
    def run(self, executor: Executor, module: ModuleType) -> Any:
        def run(
            name: str, *, outputs: int | None = None, timeout: float = 0.0, step_run: str = "", **given: Any
        ) -> Outcome:
            task = _task(name, given, outputs=outputs, timeout=timeout, step_run=step_run)
            return _submit(executor, module, task).result(60)

        return run

    def test_the_output_is_what_the_function_returned(self, run: Any, shelf: Shelf) -> None:
        outcome = run("add", a=1, b=2)
        assert values.decode(outcome.outputs[0], shelf) == 3

    def test_stored_values_are_arguments(self, run: Any, shelf: Shelf) -> None:
        ref = values.encode([1, 2], shelf)
        shelf.store.flush()
        outcome = run("add", a=Stored(ref), b=[3])
        assert values.decode(outcome.outputs[0], shelf) == [1, 2, 3]

    def test_a_tuple_becomes_several_outputs(self, run: Any, shelf: Shelf) -> None:
        outcome = run("pair", outputs=2, a=1)
        assert [values.decode(ref, shelf) for ref in outcome.outputs] == [1, 2]

    def test_a_tuple_of_another_length_is_a_failure(self, run: Any) -> None:
        assert "annotated" in run("pair", outputs=3, a=1).failure.where

    def test_an_exception_is_a_failure_that_shows_the_users_line(self, run: Any) -> None:
        failure = run("fails", a=7).failure
        assert (failure.kind, failure.message) == ("ValueError", "cannot take 7")
        assert 'raise ValueError(f"cannot take {a}")' in failure.where

    def test_sys_exit_is_a_failure(self, run: Any) -> None:
        assert run("exits").failure.kind == "SystemExit"

    def test_what_cannot_be_kept_is_a_failure(self, run: Any) -> None:
        assert "cannot be kept" in run("cannot_be_kept").failure.message

    def test_it_goes_on_after_a_failure(self, run: Any, shelf: Shelf) -> None:
        run("fails", a=7)
        assert values.decode(run("add", a=1, b=2).outputs[0], shelf) == 3

    def test_what_a_step_prints_is_in_its_log(self, run: Any, project: Path) -> None:
        run("talks", step_run="talking")
        assert sorted((project / ".mulle/logs/talking.log").read_text().splitlines()) == ["to stderr", "to stdout"]

    def test_a_trace_is_in_the_log(self, run: Any, project: Path) -> None:
        run("fails", a=1, step_run="failing")
        assert "Traceback" in (project / ".mulle/logs/failing.log").read_text()

    def test_a_step_that_prints_nothing_has_no_log(self, run: Any, project: Path) -> None:
        run("add", a=1, b=1, step_run="silent")
        assert not (project / ".mulle/logs/silent.log").exists()

    def test_metrics_are_in_the_spool_when_the_outcome_is_there(self, run: Any, project: Path) -> None:
        outcome = run("logs")
        frames = [frame for segment in read_segments(project / ".mulle/spool/metrics") for frame in segment.frames]
        assert (outcome.facts, len(frames)) == (2, 2)

    def test_a_timeout_is_a_failure(self, run: Any) -> None:
        assert run("sleeps", timeout=0.2, seconds=0.6).failure.kind == "TimeoutError"

    def test_processor_time_is_measured(self, run: Any) -> None:
        assert 0.15 < run("works", seconds=0.2).cpu_seconds < 1.0

    def test_memory_is_measured(self, run: Any) -> None:
        small, large = run("grows", mebibytes=1).peak_memory, run("grows", mebibytes=200).peak_memory
        assert large - small > 150 << 20

    def test_many_threads_may_submit(self, run: Any, shelf: Shelf) -> None:
        found: list[int] = []

        def one(number: int) -> None:
            found.append(values.decode(run("add", a=number, b=0, step_run=f"s{number}").outputs[0], shelf))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found) == list(range(6))

    def test_closing_twice_is_closing_once(self, executor: Executor) -> None:
        executor.close()
        executor.close()


class ElsewhereContract(ExecutorContract):
    """The further suite for executors whose tasks run in other processes."""

    def test_a_worker_that_dies_is_a_failure_and_the_next_task_runs(
        self, executor: Executor, module: ModuleType, run: Any, shelf: Shelf
    ) -> None:
        module.__dict__["dies"] = None
        source = Path(str(module.__file__))
        source.write_text(SOURCE + "\n@mulle.step\ndef dies():\n    os.kill(os.getpid(), 9)\n")
        future = executor.submit(_task("dies", {}), None)
        assert future.result(60).failure.kind == "WorkerDied"  # type: ignore[union-attr]
        assert values.decode(run("add", a=1, b=2).outputs[0], shelf) == 3

    def test_a_cancelled_task_ends_soon(self, executor: Executor, module: ModuleType) -> None:
        future = _submit(executor, module, _task("sleeps", {"seconds": 60}, step_run="long"))
        while not future.running():
            time.sleep(0.01)
        time.sleep(0.5)
        executor.cancel("long")
        failure = future.result(10).failure
        assert failure is not None
        assert failure.kind == "Cancelled"

    def test_the_numeric_libraries_are_held_to_the_cores_asked_for(self, run: Any, shelf: Shelf) -> None:
        assert values.decode(run("threads").outputs[0], shelf) == "1"

    def test_tasks_run_beside_each_other(self, executor: Executor, module: ModuleType, tmp_path: Path) -> None:
        pairs = [("a", "b"), ("b", "a")]
        tasks = [_task("meets", {"folder": str(tmp_path), "mine": m, "other": o}, step_run=m) for m, o in pairs]
        futures = [_submit(executor, module, task) for task in tasks]
        assert [future.result(90).failure for future in futures] == [None, None]


def _submit(executor: Executor, module: ModuleType, task: Task) -> Future[Outcome]:
    return executor.submit(task, getattr(module, task.attribute).function)


def _task(
    name: str, given: dict[str, Any], *, outputs: int | None = None, timeout: float = 0.0, step_run: str = ""
) -> Task:
    arguments: dict[str, Argument] = {
        key: value if isinstance(value, Stored) else Plain(msgspec.msgpack.encode(value))
        for key, value in given.items()
    }
    identity = step_run or f"{name}-1"
    return Task(identity, identity, name, "project", name, arguments, outputs, timeout=timeout)
