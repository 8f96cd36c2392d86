"""kill -9 of writers: what was acknowledged is there, what was not is gone whole, and the chain holds."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, func, insert, select

from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, SystemClock
from mulle.testing.kills import acknowledged_before_death, die, fork
from mulle.testing.soak import repeat


def writes(path: Path, things: Table, tag: str, *, die_in: int = 0) -> Callable[[Callable[[str], None]], None]:
    def work(acknowledge: Callable[[str], None]) -> None:
        clock = SystemClock()
        with Catalog.open(path, clock, ClockIds(clock)) as catalog:
            for number in range(1, 1000 if not die_in else die_in + 1):
                with catalog.write() as tx:
                    tx.execute(insert(things).values(name=f"{tag}-{number}"))
                    event = tx.event(f"thing:{tag}-{number}")
                    if number == die_in:
                        die()
                acknowledge(event)

    return work


def check(path: Path, things: Table, acknowledged: list[str]) -> None:
    clock = SystemClock()
    with Catalog.open(path, clock, ClockIds(clock)) as catalog, catalog.read() as tx:
        verified = ledger.verify(tx)
        assert {event.id for event in ledger.events(tx)} >= set(acknowledged)
        assert tx.scalar(select(func.count()).select_from(things)) == verified.count


@pytest.fixture
def path(tmp_path: Path, things: Table) -> Path:
    clock = SystemClock()
    Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock)).close()
    return tmp_path / "catalog.db"


def test_killed_inside_a_transaction(path: Path, things: Table) -> None:
    acknowledged = acknowledged_before_death(writes(path, things, "a", die_in=5))
    assert len(acknowledged) == 4
    check(path, things, acknowledged)


def test_after_a_killed_writer_others_may_write(path: Path, things: Table) -> None:
    acknowledged_before_death(writes(path, things, "a", die_in=1))
    acknowledged = acknowledged_before_death(writes(path, things, "b", die_in=3))
    assert len(acknowledged) == 2


@pytest.mark.soak
def test_killed_again_and_again(path: Path, things: Table) -> None:
    source = random.Random(0)
    acknowledged: list[str] = []
    for round_ in range(repeat(15, 1000)):
        after = source.uniform(0.005, 0.08)
        acknowledged += acknowledged_before_death(writes(path, things, f"r{round_}"), kill_after=after)
        check(path, things, acknowledged)
    assert acknowledged


def test_processes_write_at_once_and_none_is_turned_away(path: Path, things: Table) -> None:
    children = []
    for tag in ("a", "b", "c"):
        child = fork()
        if child == 0:
            clock = SystemClock()
            with Catalog.open(path, clock, ClockIds(clock)) as catalog:
                for number in range(50):
                    with catalog.write() as tx:
                        tx.execute(insert(things).values(name=f"{tag}-{number}"))
                        tx.event(f"thing:{tag}-{number}")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    check(path, things, [])
