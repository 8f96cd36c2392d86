"""Several writers, one dataset."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from mulle.catalog import Catalog
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.data.publishing import Move, OvertakenError, Publisher, Request
from mulle.testing.memory_store import MemoryStore


def test_commits_at_once_are_all_kept_in_some_order(data: DataService) -> None:
    def append(number: Any) -> Any:
        return data.commit("x", pl.DataFrame({"x": [number]}), append=True).number

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(append, range(24)))
    assert sorted(numbers) == list(range(1, 25))
    assert sorted(data.read("x")["x"].to_list()) == list(range(24))


def test_the_same_content_committed_at_once_is_one_version(data: DataService) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: data.commit("x", pl.DataFrame({"x": [1]})).number, range(8)))
    assert numbers == [1] * 8


def test_a_cursor_that_moved_meanwhile_refuses_the_commit(
    catalog: Catalog, store: MemoryStore, clock: VirtualClock
) -> None:
    publisher = Publisher(catalog, store)
    rows = pl.DataFrame({"x": [1]})
    request = Request("x", move=Move(None, clock.now(), compare=True))
    publisher.commit(request, rows, append=True)
    with pytest.raises(OvertakenError):
        publisher.commit(request, rows, append=True)


def test_skipping_from_where_the_cursor_is_not_does_nothing(
    catalog: Catalog, store: MemoryStore, clock: VirtualClock
) -> None:
    publisher = Publisher(catalog, store)
    assert publisher.skip("x", Move(None, clock.now()))
    assert not publisher.skip("x", Move(None, clock.now()))
