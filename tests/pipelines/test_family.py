"""The processes that a step starts, and their end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mulle.clock import SystemClock
from mulle.definitions import Definitions
from mulle.pipelines import family
from mulle.pipelines.executor import Executor
from mulle.pipelines.in_process import InProcess
from mulle.pipelines.pool import ProcessPool
from mulle.pipelines.task import Plain, Task
from mulle.pipelines.values import Shelf
from mulle.pipelines.worker import Place

SOURCE = """
import ctypes, os, subprocess, sys, time
import mulle


def _child(folder, name, clean=False):
    code = f"import os, time; open({os.path.join(folder, name)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    env = {} if clean else None
    subprocess.Popen([sys.executable, "-I", "-S", "-c", code], start_new_session=True, env=env)


@mulle.step
def waits(folder):
    _child(folder, "child")
    if os.fork() == 0:  # its child outlives it, in a session of its own
        os.setsid()
        _child(folder, "grandchild")
        os._exit(0)
    _child(folder, "clean", clean=True)
    time.sleep(600)


@mulle.step
def naps(folder):
    time.sleep(600)


@mulle.step
def runs(folder):
    code = f"import os, time; open({os.path.join(folder, 'child')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], start_new_session=True)


@mulle.step
def waits_in_c(folder):
    _child(folder, "child")
    ctypes.PyDLL(None).sleep(600)  # holds the interpreter all the time


@mulle.step
def crashes(folder):
    ctypes.string_at(0)


@mulle.step
def sleeps_in_c(folder):
    ctypes.CDLL(None).sleep(2)
    return 1
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "project.py").write_text(SOURCE)
    (tmp_path / ".mulle").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("project", None)
    yield tmp_path
    sys.modules.pop("project", None)


@pytest.fixture
def pool(project: Path) -> Iterator[ProcessPool]:
    made = ProcessPool(Place(str(project), "project", str(project / ".mulle")), 2, hung_seconds=2.0)
    yield made
    made.close()


def _task(name: str, folder: Path, timeout: float = 0.0) -> Task:
    import msgspec

    given = {"folder": Plain(msgspec.msgpack.encode(str(folder)))}
    return Task(name, name, name, "project", name, given, None, timeout=timeout)  # type: ignore[arg-type]


def _pids(folder: Path, *names: str) -> list[int]:
    def read(name: str) -> str:
        return (folder / name).read_text() if (folder / name).exists() else ""

    return [int(_when(partial(read, name))) for name in names]


def _when(ask: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return answer


def _gone(pid: int) -> bool:
    found = family.stat(pid)
    return found is None or found.state in "ZX"


FAMILY = ("child", "grandchild", "clean")


@pytest.mark.slow
def test_a_cancelled_step_ends_with_all_that_it_started(pool: ProcessPool, tmp_path: Path) -> None:
    future = pool.submit(_task("waits", tmp_path), None)
    pids = _pids(tmp_path, *FAMILY)
    pool.cancel("waits")
    failure = future.result(30).failure
    assert failure is not None
    assert failure.kind == "Cancelled"
    assert [pid for pid in pids if not _gone(pid)] == []


@pytest.mark.slow
def test_a_timeout_ends_what_the_step_started_even_in_c(pool: ProcessPool, tmp_path: Path) -> None:
    outcome = pool.submit(_task("waits_in_c", tmp_path, timeout=1.0), None).result(30)
    assert outcome.failure is not None
    assert outcome.failure.kind == "TimeoutError"
    assert "in waits_in_c: ctypes.PyDLL(None).sleep(600)" in outcome.failure.where
    assert [pid for pid in _pids(tmp_path, "child") if not _gone(pid)] == []


@pytest.mark.slow
def test_a_worker_that_hangs_in_c_is_found(pool: ProcessPool, tmp_path: Path) -> None:
    outcome = pool.submit(_task("waits_in_c", tmp_path), None).result(60)
    assert outcome.failure is not None
    assert outcome.failure.kind == "WorkerHung"
    assert "in waits_in_c: ctypes.PyDLL(None).sleep(600)" in outcome.failure.where


@pytest.mark.slow
def test_c_code_that_lets_python_run_meanwhile_does_not_hang(pool: ProcessPool, tmp_path: Path) -> None:
    assert pool.submit(_task("sleeps_in_c", tmp_path), None).result(60).failure is None


@pytest.mark.slow
def test_a_crash_in_c_tells_the_users_line(pool: ProcessPool, tmp_path: Path) -> None:
    failure = pool.submit(_task("crashes", tmp_path), None).result(60).failure
    assert failure is not None
    assert (failure.kind, "SIGSEGV" in failure.message) == ("WorkerDied", True)
    assert "in crashes: ctypes.string_at(0)" in failure.where


@pytest.mark.slow
def test_a_preempted_step_may_be_begun_again(pool: ProcessPool, tmp_path: Path) -> None:
    future = pool.submit(_task("waits", tmp_path), None)
    _pids(tmp_path, *FAMILY)
    pool.preempt("waits")
    failure = future.result(30).failure
    assert failure is not None
    assert (failure.kind, failure.final) == ("Preempted", False)


CONTROLLER = """
import sys, threading
sys.path.insert(0, sys.argv[1])
import msgspec
from mulle.pipelines.pool import ProcessPool
from mulle.pipelines.task import Plain, Task
from mulle.pipelines.worker import Place
pool = ProcessPool(Place(sys.argv[1], "project", sys.argv[1] + "/.mulle"), 2)
given = {"folder": Plain(msgspec.msgpack.encode(sys.argv[1]))}
pool.submit(Task("waits", "waits", "waits", "project", sys.argv[2], given, None), None).result()
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["waits", "waits_in_c"])
def test_when_the_controller_is_killed_so_is_everything(project: Path, step: str) -> None:
    controller = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(project), step])
    pids = _pids(project, *(FAMILY if step == "waits" else ["child"]))
    workers = family.descendants(controller.pid)
    controller.kill()
    controller.wait()
    _when(lambda: all(_gone(pid) for pid in [*workers, *pids]))


@pytest.fixture
def in_process(project: Path, shelf: Shelf) -> Iterator[Executor]:
    made = InProcess(shelf, SystemClock(), project / ".mulle", Definitions)
    yield made
    made.close()


def _function(name: str) -> Callable[..., Any]:
    import importlib

    function: Callable[..., Any] = getattr(importlib.import_module("project"), name).function
    return function


def test_in_process_a_timeout_interrupts_a_step_that_waits(in_process: Executor, tmp_path: Path) -> None:
    outcome = in_process.submit(_task("naps", tmp_path, timeout=0.5), _function("naps")).result()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.seconds < 10) == ("TimeoutError", True)
    assert "in naps: time.sleep(600)" in outcome.failure.where


def test_in_process_a_timeout_ends_what_the_step_started(in_process: Executor, tmp_path: Path) -> None:
    outcome = in_process.submit(_task("runs", tmp_path, timeout=1.0), _function("runs")).result()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.seconds < 10) == ("TimeoutError", True)
    assert [pid for pid in _pids(tmp_path, "child") if not _gone(pid)] == []


def test_in_process_a_step_is_cancelled_in_whatever_thread_it_runs(in_process: Executor) -> None:
    import threading

    def works() -> None:
        while True:
            time.sleep(0.01)

    found: list[Any] = []
    task = Task("works", "works", "works", "", "", {}, None)
    thread = threading.Thread(target=lambda: found.append(in_process.submit(task, works).result()))
    thread.start()
    time.sleep(0.2)
    in_process.cancel("works")
    thread.join(20)
    assert found[0].failure.kind == "Cancelled"


def test_processes_that_began_earlier_are_left_alone() -> None:
    old = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
    time.sleep(0.1)
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    time.sleep(0.1)
    new = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
    try:
        assert family.end(os.getpid(), since=began) == [new.pid]
        assert not _gone(old.pid)
    finally:
        old.kill()
        old.wait()
        new.wait()
