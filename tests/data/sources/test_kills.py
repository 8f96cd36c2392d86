"""Processes that collect are killed, or run side by side, while rows come: each row is taken exactly once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.sources import killed
from tests.data.sources.world import World

from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, SystemClock
from mulle.testing.soak import repeat

ROOT = Path(__file__).parents[3]


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock = SystemClock()
    (tmp_path / "workspace").mkdir()
    Catalog.create(tmp_path / "workspace" / "catalog.db", clock, ClockIds(clock), durable=False).close()
    made = World(tmp_path)
    assert start(made).wait() == 0
    made.looked = True
    return made


def grow(world: World, seed: int, rows: int = 15) -> None:
    """Rows for every source; ties, bad rows, new files and a rotated log among them."""
    chance = random.Random(seed)
    for number in range(rows):
        value = chance.choice([None, -1, 0, 1, 2])
        world.insert(number, seed + chance.randint(0, 1), value)
        world.put(chance.randint(0, 3) + 10 * (seed // 4), number, seed, value)
        world.log(number, seed, value)
        if chance.random() < 0.1:
            world.rotate()


def start(world: World, *death: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, killed.__file__, str(world.folder), *death], env=environment)


def is_whole(world: World) -> None:
    data = killed.opened(world.folder)
    world.check(data)
    assert data.verify().damaged == []
    clock = SystemClock()
    with Catalog.open(world.folder / "workspace" / "catalog.db", clock, ClockIds(clock)).read() as tx:
        ledger.verify(tx)


@pytest.mark.soak
def test_a_collection_killed_at_any_instant_goes_on_where_it_stood(world: World) -> None:
    instants = random.Random(7)
    for turn in range(repeat(5, 300)):
        grow(world, turn)
        start(world, f"{instants.uniform(0, 0.4):.4f}").wait()
    assert start(world).wait() == 0
    is_whole(world)


@pytest.mark.soak
def test_a_collection_killed_in_any_file_operation_goes_on_where_it_stood(world: World) -> None:
    operations = random.Random(11)
    for turn in range(repeat(5, 300)):
        grow(world, turn)
        start(world, f"op:{operations.randint(1, 60)}").wait()
    assert start(world).wait() == 0
    is_whole(world)


def test_processes_side_by_side_take_each_row_once(world: World) -> None:
    grow(world, 0, rows=60)
    together = [start(world) for _ in range(3)]
    assert [process.wait() for process in together] == [0, 0, 0]
    is_whole(world)
