from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, Table, Text

from mulle.catalog import Catalog, Instant, Json, metadata
from mulle.clock import ClockIds, VirtualClock

START = datetime(2013, 1, 1, tzinfo=UTC)

thing = Table(
    "test_thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("at", Instant),
    Column("data", Json),
)


@pytest.fixture
def things() -> Table:
    return thing


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def catalog(tmp_path: Path, clock: VirtualClock) -> Iterator[Catalog]:
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock, seed=1), durable=False) as catalog:
        yield catalog
