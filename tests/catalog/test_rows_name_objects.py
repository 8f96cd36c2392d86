"""Files first, the row that names them last: kill -9 at any instant leaves no row without its object."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, insert, select

from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.hashing import digest_bytes
from mulle.store import LocalStore
from mulle.testing.kills import acknowledged_before_death
from mulle.testing.soak import repeat

CLOCK = SystemClock()


def commits(folder: Path, things: Table, seed: int) -> Callable[[Callable[[str], None]], None]:
    def work(acknowledge: Callable[[str], None]) -> None:
        source = random.Random(seed)
        store = LocalStore(folder, small=5_000, pack_limit=20_000)
        with Catalog.open(folder / "catalog.db", CLOCK, ClockIds(CLOCK)) as catalog:
            while True:
                digest = store.put(source.randbytes(source.choice([10, 1_000, 8_000])))
                store.flush()
                with catalog.write() as tx:
                    tx.execute(insert(things).values(name=digest))
                    tx.event(f"object:{digest}")
                acknowledge(digest)

    return work


@pytest.mark.soak
def test_no_row_without_its_object(tmp_path: Path, things: Table) -> None:
    Catalog.create(tmp_path / "catalog.db", CLOCK, ClockIds(CLOCK)).close()
    source = random.Random(1)
    acknowledged: set[str] = set()
    for seed in range(repeat(15, 1000)):
        lines = acknowledged_before_death(commits(tmp_path, things, seed), kill_after=source.uniform(0.01, 0.08))
        acknowledged |= set(lines)
        with Catalog.open(tmp_path / "catalog.db", CLOCK, ClockIds(CLOCK)) as catalog, catalog.read() as tx:
            named = [row.name for row in tx.all(select(things.c.name))]
        store = LocalStore(tmp_path, small=5_000, pack_limit=20_000)
        assert [name for name in named if digest_bytes(store.get(name)) != name] == []
        assert acknowledged <= set(named)
    assert acknowledged
