from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import mulle.data.tables  # noqa: F401 - declares the tables before the catalog is made
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.testing.memory_store import MemoryStore


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))


@pytest.fixture
def catalog(tmp_path: Path, clock: VirtualClock) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock, seed=1), durable=False)
    yield made
    made.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def data(catalog: Catalog, store: MemoryStore, tmp_path: Path) -> DataService:
    return DataService(catalog, store, tmp_path)
