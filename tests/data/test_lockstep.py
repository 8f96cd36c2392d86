"""The data plane and a model of it in plain lists, driven in lockstep."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.errors import DataError
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat

Rows = dict[int, str]
rows_ = st.dictionaries(st.integers(0, 30), st.sampled_from("abc"), max_size=5)


def table(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame({"k": list(rows), "v": list(rows.values())}, schema={"k": pl.Int64, "v": pl.String})


class History(RuleBasedStateMachine):
    """Commits, appends and moved heads of one dataset with a key."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        clock = VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))
        self.catalog = Catalog.create(self.folder / "c.db", clock, ClockIds(clock, seed=0), durable=False)
        self.data = DataService(self.catalog, MemoryStore())
        self.versions: list[Rows] = []
        self.head = 0

    @rule(rows=rows_)
    def commit(self, rows: Rows) -> None:
        present = self.versions[self.head - 1] if self.head else None
        if present and not rows:
            with pytest.raises(DataError, match="has no rows"):
                self.data.commit("d", table(rows), key=["k"])
            return
        self.data.commit("d", table(rows), key=["k"])
        if present is None or list(present.items()) != list(rows.items()):
            self._publish(rows)

    @rule(rows=rows_)
    def append(self, rows: Rows) -> None:
        present = self.versions[self.head - 1] if self.head else {}
        if present.keys() & rows.keys():
            with pytest.raises(DataError, match="duplicate key"):
                self.data.commit("d", table(rows), append=True, key=["k"])
            return
        self.data.commit("d", table(rows), append=True, key=["k"])
        if rows or not self.head:
            self._publish({**present, **rows})

    @precondition(lambda self: self.versions)
    @rule(number=st.integers(0, 100))
    def advance(self, number: int) -> None:
        self.head = number % len(self.versions) + 1
        self.data.advance("d", self.head)

    def _publish(self, rows: Rows) -> None:
        self.versions.append(rows)
        self.head = len(self.versions)

    @invariant()
    def every_version_is_what_it_was(self) -> None:
        if not self.versions:
            return
        assert self.data.head("d").number == self.head
        for number, rows in enumerate(self.versions, start=1):
            assert self.data.read(f"d@{number}").rows() == list(rows.items())
            assert self.data.resolve(f"d@{number}").rows == len(rows)

    @invariant()
    def equal_content_has_one_logical_digest(self) -> None:
        digests = {version.number: version.logical for version in self.data.versions("d")} if self.versions else {}
        contents = [tuple(rows.items()) for rows in self.versions]
        assert len(set(digests.values())) == len(set(contents))

    def teardown(self) -> None:
        with self.catalog.read() as tx:
            ledger.verify(tx)
        assert self.data.verify().damaged == []
        self.catalog.close()
        shutil.rmtree(self.folder)


TestHistory = pytest.mark.soak(History.TestCase)
TestHistory.settings = settings(max_examples=repeat(15, 500), stateful_step_count=15, deadline=None)
