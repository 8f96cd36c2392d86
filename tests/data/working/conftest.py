from pathlib import Path

import pytest

from mulle.data.working.copies import Copies
from mulle.store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", durable=False)


@pytest.fixture
def copies(store: LocalStore, tmp_path: Path) -> Copies:
    return Copies(store, tmp_path / "store" / "working", processes=0)
