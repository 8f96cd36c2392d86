"""A project on the disk that a test edits, and runs of it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DRIVE = Path(__file__).with_name("drive.py")

PROJECT = """
import time
from pathlib import Path

import mulle
import helpers
from helpers import outer

HERE = Path(__file__).parent


def mark(name):
    with (HERE / "executed").open("a") as file:
        file.write(name + "\\n")
    while (HERE / f"hold-{name}").exists():
        time.sleep(0.01)


@mulle.step
def first(n: int) -> int:
    mark("first")
    return n + 1


@mulle.step
def second(x: int) -> int:
    mark("second")
    return outer(x)


@mulle.step
def third(x: int) -> int:
    mark("third")
    return helpers.parity(x)


@mulle.step
def fourth(x: int) -> int:
    mark("fourth")
    return x + 100


@mulle.pipeline
def main(n: int = 1):
    return fourth(third(second(first(n))))
"""
HELPERS = '''
import deep


def outer(x):
    """Scales."""
    # reached by the second step
    return deep.scaled(x)


def parity(x):
    return x % 2
'''
DEEP = """
FACTOR = 2


def scaled(x):
    return x * FACTOR
"""


class Generated:
    """The project in a folder."""

    def __init__(self, root: Path, files: dict[str, str] | None = None) -> None:
        self.root = root
        for name, text in (files or {"project": PROJECT, "helpers": HELPERS, "deep": DEEP}).items():
            (root / f"{name}.py").write_text(text)
        (root / "mulle.toml").write_text('[project]\nname = "generated"\n')

    def edit(self, module: str, old: str, new: str) -> None:
        path = self.root / f"{module}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def start(self, pipeline: str = "main", kind: str = "in-process", *params: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(DRIVE), str(self.root), pipeline, kind, "2", *params]
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def finish(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        return told

    def run(self, pipeline: str = "main", kind: str = "in-process", *params: str) -> dict[str, Any]:
        return self.finish(self.start(pipeline, kind, *params))

    def executed(self) -> list[str]:
        """The steps whose functions ran since this was last asked, in their order."""
        path = self.root / "executed"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names


def statuses(told: dict[str, Any]) -> dict[str, str]:
    """Step → status of a run."""
    return {step["name"]: step["status"] for step in told["result"]["steps"]}
