"""Pulling some columns of a table without the rest of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.data.remotes.conftest import Meet

from mulle.data import parts
from mulle.errors import DataError, StoreError, UsageError

ROWS = 30_000
"""Enough for a part that lies on a remote as a file of its own."""


@pytest.fixture
def wide() -> pl.DataFrame:
    draw = np.random.default_rng(1)
    numbers = {f"n{place}": draw.normal(size=ROWS) for place in range(7)}
    return pl.DataFrame({"key": np.arange(ROWS), "at": np.arange(ROWS), **numbers}).with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC"))
    )


@pytest.fixture
def shared(meet: Meet, folder: str, wide: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two versions of a table whose part counts as large; the second has other rows in places."""
    monkeypatch.setattr(parts, "LARGE", 10_000)
    parts.forget()
    meet("ann").data.commit("wide", wide, key=["key"], event_time="at")
    changed = wide.with_columns(n3=pl.when(pl.col("key") % 100 == 7).then(0.5).otherwise("n3"))
    meet("ann").data.commit("wide", changed, key=["key"], event_time="at")
    meet("ann").data.push("wide", folder)
    parts.forget()
    return folder


def test_the_columns_are_here_and_little_travelled(meet: Meet, shared: str) -> None:
    report = meet("ben").data.pull("wide", shared, columns=("key", "n3"))
    assert report.partial
    assert report.bytes < ROWS * 8 * 9 / 2
    theirs = meet("ann").data.read("wide")
    assert meet("ben").data.read("wide", ["n3", "key"]).equals(theirs["n3", "key"])
    assert meet("ben").data.rows("wide", columns=("n3",), where="key = 107").rows == [[0.5]]
    assert meet("ben").data.rows("wide", 2, 300, ("key",)).rows == [[300], [301]]


def test_a_span_of_time_can_be_read(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("wide", shared, columns=("n3",))
    theirs = meet("ann").data.read("wide")
    start, end = theirs["at"][100], theirs["at"][200]
    assert meet("ben").data.read("wide", ["n3"], start, end).equals(theirs[["n3"]][100:200])


def test_more_columns_come_besides(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("wide", shared, columns=("key",))
    meet("ben").data.pull("wide", shared, columns=("n1",))
    assert meet("ben").data.read("wide", ["key", "n1"]).equals(meet("ann").data.read("wide", ["key", "n1"]))


@pytest.mark.parametrize("columns", [None, ["n2"], ["key", "n2"]])
def test_others_say_how_to_get_them(meet: Meet, shared: str, columns: list[str] | None) -> None:
    meet("ben").data.pull("wide", shared, columns=("key",))
    with pytest.raises(StoreError, match="only the columns key, at are here") as caught:
        meet("ben").data.read("wide", columns)
    assert caught.value.cure == f"mulle data pull wide {shared}" + (" --columns n2" if columns else "")


def test_all_of_it_comes_with_a_plain_pull(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("wide", shared, columns=("key",))
    assert not meet("ben").data.pull("wide", shared).partial
    assert meet("ben").data.read("wide").equals(meet("ann").data.read("wide"))
    assert meet("ben").data.read("wide@1").equals(meet("ann").data.read("wide@1"))


def test_gc_keeps_the_columns_until_all_is_here(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("wide", shared, columns=("n3",))
    meet("ben").data.gc(grace="0s")
    meet("ben").data.gc(grace="0s")
    parts.forget()
    assert meet("ben").data.read("wide", ["n3"]).height == ROWS
    assert meet("ben").data.verify().damaged == []


def test_a_small_table_comes_whole(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1, 2)
    meet("ann").data.push("flights", folder)
    parts.forget()
    meet("ben").data.pull("flights", folder, columns=("key",))
    assert meet("ben").data.read("flights").equals(meet("ann").data.read("flights"))


def test_what_cannot_be_is_an_error(meet: Meet, shared: str) -> None:
    with pytest.raises(DataError, match="no column 'colour'"):
        meet("ben").data.pull("wide", shared, columns=("colour",))
    with pytest.raises(UsageError, match="a path and columns"):
        meet("ben").data.pull("wide", shared, path="a", columns=("key",))
    meet("ann").files("images", readme=b"one")
    meet("ann").data.push("images", shared)
    with pytest.raises(DataError, match="no columns"):
        meet("ben").data.pull("images", shared, columns=("key",))
    assert meet("ben").data.list() == []


def test_what_is_here_whole_stays_so(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("wide", shared)
    assert not meet("ben").data.pull("wide", shared, columns=("key",)).partial
    assert meet("ben").data.read("wide").equals(meet("ann").data.read("wide"))
