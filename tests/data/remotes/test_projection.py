"""Reading some columns of a table on a remote, without pulling it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.data.remotes.conftest import Meet
from tests.data.remotes.people import serving

from mulle.data import parts
from mulle.errors import DataError, StoreError, UnknownNameError
from mulle.testing.wire import Relay

ROWS = 350_000


@pytest.fixture(scope="module")
def wide() -> pl.DataFrame:
    """So many numbers that their part is a large one: 20 MB."""
    draw = np.random.default_rng(1)
    numbers = {f"n{place}": draw.normal(size=ROWS) for place in range(7)}
    return pl.DataFrame({"key": np.arange(ROWS), "text": [f"row {each}" for each in range(ROWS)], **numbers})


def test_rows_are_those_of_the_table(meet: Meet, address: str, wide: pl.DataFrame) -> None:
    meet("ann").data.commit("wide", wide, key=["key"])
    meet("ann").data.push("wide", address)
    parts.forget()
    page = meet("ben").remotes.rows("wide", address, ["n3", "text"], limit=2, offset=200_000)
    assert page.rows == [list(row) for row in wide["n3", "text"][200_000:200_002].iter_rows()]
    assert (page.total, [name for name, _ in page.columns]) == (ROWS, ["n3", "text"])
    assert meet("ben").data.list() == []


def test_only_the_columns_that_are_asked_for_travel(meet: Meet, wide: pl.DataFrame) -> None:
    meet("ann").data.commit("wide", wide, key=["key"])
    parts.forget()
    with serving(meet("ann")) as url, Relay(url) as relay:
        meet("ben").remotes.rows("wide", relay.url, ["n3"], limit=5)
        assert relay.received < ROWS * 8 * 1.2


def test_a_small_table_is_read_whole(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1, 2)
    meet("ann").data.tag("flights", "v1")
    meet("ann").rows("flights", 3)
    meet("ann").data.push("flights", folder)
    parts.forget()
    assert meet("ben").remotes.rows("flights@v1", folder).rows == [[1, "ann 1"], [2, "ann 2"]]
    assert meet("ben").remotes.rows("flights@2", folder, ["key"]).rows == [[1], [2], [3]]


def test_a_column_that_is_not_there_is_an_error(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    with pytest.raises(DataError, match="no column 'colour'"):
        meet("ben").remotes.rows("flights", folder, ["colour"])


def test_a_version_that_is_not_there_is_an_error(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    with pytest.raises(UnknownNameError, match="v9"):
        meet("ben").remotes.rows("flights@v9", folder)


def test_files_have_no_rows(meet: Meet, folder: str) -> None:
    meet("ann").files("images", one=b"1")
    meet("ann").data.push("images", folder)
    with pytest.raises(StoreError, match="not a table"):
        meet("ben").remotes.rows("images", folder)
