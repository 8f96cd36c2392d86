from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle.data.tables  # noqa: F401 - declares the tables before the catalog is made
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.testing.memory_store import MemoryStore


@pytest.fixture
def clock() -> Any:
    return VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))


@pytest.fixture
def catalog(tmp_path: Path, clock: VirtualClock) -> Any:
    made = Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock, seed=1), durable=False)
    yield made
    made.close()


@pytest.fixture
def store() -> Any:
    return MemoryStore()


@pytest.fixture
def data(catalog: Catalog, store: MemoryStore, tmp_path: Path) -> Any:
    return DataService(catalog, store, tmp_path)


@pytest.fixture
def people() -> Any:
    return pl.DataFrame({"id": [1, 2, 3], "name": ["Ann", "Bo", None], "age": [30, 40, 50]})
