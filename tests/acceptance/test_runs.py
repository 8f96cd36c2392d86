"""Runs from the prompt: what is done again after an edit, and after a kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.prompt import must

pytestmark = pytest.mark.slow

PROJECT = """
from pathlib import Path

import mulle
from shapes import area

HERE = Path(__file__).parent


def note(name):
    with (HERE / "executed").open("a") as file:
        file.write(f"{name}\\n")
    while (HERE / f"hold-{name}").exists():
        pass


@mulle.step
def sizes(n: int) -> list[int]:
    note("sizes")
    return list(range(n))


@mulle.step
def areas(sizes: list[int]) -> list[int]:
    note("areas")
    return [area(size) for size in sizes]


@mulle.step
def largest(areas: list[int]) -> bool:
    note("largest")
    return max(areas) > 10


@mulle.step
def count(sizes: list[int]) -> int:
    note("count")
    return len(sizes)


@mulle.pipeline
def main(n: int = 9) -> None:
    known = sizes(n)
    largest(areas(known))
    count(known)
"""
SHAPES = """
from units import factor


def area(size):
    # the square of a size
    return size * size * factor()
"""
UNITS = """
FACTOR = 2


def factor():
    return FACTOR
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "areas"\n')
    for name, source in {"project": PROJECT, "shapes": SHAPES, "units": UNITS}.items():
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def run(folder: Path, executor: str = "in-process") -> Any:
    """The result of `mulle run`; its stable form is checked on the way."""
    result = must(folder, "run", "--executor", executor)
    assert {"id", "status", "steps_executed", "steps_cached", "steps"} <= set(result)
    assert all({"name", "status", "seconds"} <= set(step) for step in result["steps"])
    assert result["status"] == "succeeded"
    return result


def executed(result: Any) -> set[str]:
    return {step["name"] for step in result["steps"] if step["status"] == "executed"}


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_only_what_an_edit_reaches_is_run_again(folder: Path) -> None:
    assert executed(run(folder)) == {"sizes", "areas", "largest", "count"}
    assert run(folder)["steps_executed"] == 0
    edit(folder / "shapes.py", "# the square of a size", "# a size by itself, times what the unit says\n    # of it")
    assert run(folder)["steps_executed"] == 0
    edit(folder / "units.py", "FACTOR = 2", "FACTOR = 3")
    assert executed(run(folder)) == {"areas", "largest"}
    edit(folder / "units.py", "return FACTOR", "return FACTOR + 0")
    assert executed(run(folder)) == {"areas"}


@pytest.mark.parametrize("executor", ["in-process", "process"])
def test_after_kill_9_only_what_was_unfinished_is_run(folder: Path, executor: str) -> None:
    (folder / "hold-largest").touch()
    command = [sys.executable, "-m", "mulle.cli", "-C", str(folder), "run", "--executor", executor, "--json"]
    running = subprocess.Popen(command, stdout=-1, stderr=-1)
    deadline = time.monotonic() + 240
    while not (folder / "executed").exists() or "largest" not in (folder / "executed").read_text():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    (folder / "hold-largest").unlink()
    done = set((folder / "executed").read_text().split()) - {"largest"}
    assert executed(run(folder, executor)) == {"sizes", "areas", "largest", "count"} - done | {"largest"}
    (killed,) = [each for each in must(folder, "runs", "list") if each["status"] != "succeeded"]
    assert (killed["status"], "killed" in killed["error"]) == ("failed", True)
