"""Whatever comes when, and whatever fails at which write: each row is there once."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.data.sources.world import World

from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.errors import StoreError
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat
from mulle.types import Digest

NUMBERS = st.integers(0, 5)
VALUES = st.one_of(st.none(), st.integers(-2, 5))


class FailingStore(MemoryStore):
    """A store of which some put or flush fails."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1 << 30

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreError("the disk is gone")

    def put(self, data: bytes) -> Digest:
        self._step()
        return super().put(data)

    def flush(self) -> None:
        self._step()
        super().flush()


class Collecting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mulle-collecting-"))
        self.world = World(self.folder)
        self.clock = VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))
        ids = ClockIds(self.clock, seed=1)
        self.catalog = Catalog.create(self.folder / "catalog.db", self.clock, ids, durable=False)
        self.store = FailingStore()
        self.time = 0
        self.whole = False

    @rule(number=NUMBERS, value=VALUES, later=st.integers(0, 1))
    def insert(self, number: int, value: int | None, later: int) -> None:
        self.time += later
        self.world.insert(number, self.time, value)
        self.whole = False

    @rule(file=st.integers(0, 3), number=NUMBERS, value=VALUES)
    def put(self, file: int, number: int, value: int | None) -> None:
        self.world.put(file, number, self.time, value)
        self.whole = False

    @rule(number=NUMBERS, value=VALUES)
    def log(self, number: int, value: int | None) -> None:
        self.world.log(number, self.time, value)
        self.whole = False

    @rule()
    def rotate(self) -> None:
        self.world.rotate()

    @rule(batch=st.integers(1, 4))
    def collect(self, batch: int) -> None:
        self._collect(batch)
        self.whole = True

    @rule(batch=st.integers(1, 4), operations=st.integers(0, 25))
    def collect_on_a_failing_disk(self, batch: int, operations: int) -> None:
        self.store.left = operations
        try:
            self._collect(batch)
            self.whole = True
        except StoreError:
            pass
        finally:
            self.store.left = 1 << 30

    def _collect(self, batch: int) -> None:
        data = DataService(self.catalog, self.store, self.folder)
        for definition in self.world.datasets(batch):
            data.collect(definition, self.clock.now())
        self.world.looked = True

    @invariant()
    def every_row_is_there_once(self) -> None:
        if self.whole:
            self.world.check(DataService(self.catalog, self.store, self.folder))

    def teardown(self) -> None:
        try:
            self._collect(2)
            self.world.check(DataService(self.catalog, self.store, self.folder))
            with self.catalog.read() as tx:
                ledger.verify(tx)
        finally:
            self.catalog.close()
            shutil.rmtree(self.folder)


@pytest.mark.soak
def test_every_row_is_taken_once_whatever_fails() -> None:
    counts: dict[str, Any] = {"max_examples": repeat(8, 400), "stateful_step_count": 25, "deadline": None}
    run_state_machine_as_test(Collecting, settings=settings(**counts))
