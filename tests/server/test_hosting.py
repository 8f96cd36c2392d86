from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.imported import alive, eventually, importers, project

from mulle.errors import ProjectError, UnknownNameError
from mulle.server.hosting import Host
from mulle.server.planes import Outside
from mulle.verbs import acting
from mulle.workspace import Workspace

Opened = Callable[..., tuple[Host, Outside]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """`opened()` starts a host for the project in `tmp_path`, and opens the workspace as the server sees it."""
    left: list[Any] = []

    def start(*, turn: bool = False) -> tuple[Host, Outside]:
        workspace = Workspace.open(tmp_path)
        host = Host(tmp_path, turn=turn)
        left.extend([workspace, host.__enter__()])
        return host, Outside(workspace, host)

    yield start
    for one in reversed(left):
        one.__exit__(None, None, None)


def test_a_question_waits_for_the_import_and_is_answered_by_the_other_process(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path, importing=0.5)
    host, ws = opened()
    assert [one.pipeline for one in ws.triggers.list()] == ["counting"]
    assert importers(tmp_path) == [host.pid]
    assert host.pid != os.getpid()


def test_an_error_there_is_the_same_error_here(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    _, ws = opened()
    with pytest.raises(UnknownNameError, match="unknown pipeline 'count'"):
        ws.triggers.fire("count")


def test_a_demand_is_recorded_with_its_reason_and_performed_by_the_next_turn(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    _, ws = opened(turn=True)
    with acting(reason="to see"):
        asked = ws.triggers.fire("counting")
    fired = eventually(lambda: [one for one in ws.triggers.history() if one.status != "pending"])
    assert (fired[0].status, fired[0].error) == ("succeeded", "")
    assert {one.id: one.reason for one in ws.audit.log("trigger:counting")}[asked.event] == "to see"


def test_without_turns_nothing_is_performed(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    _, ws = opened(turn=False)
    ws.triggers.fire("counting")
    assert (ws.triggers.history(), ws.data.list()) == ([], [])


def test_a_changed_project_gets_a_new_process(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    host, ws = opened(turn=True)
    before = eventually(lambda: host.pid or 0)
    project(tmp_path, cause='schedule("0 3 * * *")')
    eventually(lambda: host.pid not in {None, before})
    assert ws.triggers.list()[0].next is not None
    assert not alive(before)


def test_a_file_that_is_only_touched_changes_nothing(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    host, _ = opened()
    before = eventually(lambda: host.pid or 0)
    os.utime(tmp_path / "project.py")
    with pytest.raises(AssertionError):
        eventually(lambda: host.pid != before, seconds=2.5)


def test_a_killed_process_is_replaced(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    host, ws = opened()
    before = eventually(lambda: host.pid or 0)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: host.pid not in {None, before})
    assert len(ws.triggers.list()) == 1


def test_a_project_that_dies_at_import_is_tried_less_and_less_often(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    (tmp_path / "project.py").write_text("import os\nos._exit(3)\n")
    host, _ = opened()
    problem = eventually(lambda: (found := host.problem) and "starts again in 1 s" in str(found) and found)
    assert "with exit status 3" in str(problem)


def test_an_import_error_is_told_with_its_cure_until_it_is_mended(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    (tmp_path / "project.py").write_text("import mulle\n\nrate = 1 / 0\n")
    host, ws = opened(turn=True)
    with pytest.raises(ProjectError, match="does not import: ZeroDivisionError") as told:
        ws.triggers.list()
    assert "project.py:3: rate = 1 / 0" in str(told.value.cause)
    assert (ws.triggers.history(), host.pid) == ([], None)
    project(tmp_path)
    eventually(lambda: host.pid)
    assert host.problem is None


def test_a_turn_that_fails_is_told_and_questions_are_answered_meanwhile(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    text = (tmp_path / "project.py").read_text().replace("return pl.DataFrame", 'raise OSError("no disk")\n    return')
    (tmp_path / "project.py").write_text(text)
    host, ws = opened(turn=True)
    problem = eventually(lambda: (found := host.problem) and "last turn failed" in str(found) and found)
    assert "no disk" in str(problem)
    assert len(ws.triggers.list()) == 1


def test_a_workspace_without_a_project_has_nothing_defined(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "tracked"\n')
    host, ws = opened(turn=True)
    assert ws.triggers.list() == []
    assert host.problem is None


def test_the_process_ends_with_its_host(tmp_path: Path, opened: Opened) -> None:
    project(tmp_path)
    host, _ = opened(turn=True)
    pid = eventually(lambda: host.pid or 0)
    host.__exit__(None, None, None)
    assert not alive(pid)
