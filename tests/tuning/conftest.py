"""A project in a folder, tuned in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mulle.workspace import Workspace

Make = Callable[..., Workspace]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a project and open its workspace."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with ExitStack() as stack:

        def make(source: str, executor: str = "in-process") -> Workspace:
            (tmp_path / "mulle.toml").write_text(f'[project]\nname = "p"\n\n[run]\nexecutor = "{executor}"\n')
            (tmp_path / "project.py").write_text(source)
            return stack.enter_context(Workspace.open(tmp_path))

        yield make
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]
