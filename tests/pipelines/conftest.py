"""A project in a folder, loaded in this process, with its workspace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.pipelines.drive import Site, opened

from mulle.access import Signer
from mulle.pipelines.values import Shelf
from mulle.store import LocalStore


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(LocalStore(tmp_path / "ws", durable=False), Signer(tmp_path / "keys"), tmp_path / "scratch")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Write files of a project (module → source) and open it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with ExitStack() as stack:

        def make(kind: str = "in-process", **files: str) -> Site:
            for name, text in files.items():
                (tmp_path / f"{name}.py").write_text(text)
            return stack.enter_context(opened(tmp_path, kind))

        yield make
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]
