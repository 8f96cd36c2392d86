from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.data.logical import BLOCK, EMPTY, extend


def table(rows: int, start: int = 0) -> pl.DataFrame:
    numbers = range(start, start + rows)
    return pl.DataFrame(
        {
            "n": pl.Series(numbers, dtype=pl.Int64),
            "s": [None if n % 7 == 0 else f"row {n}" for n in numbers],
            "f": [None if n % 5 == 0 else n / 3 for n in numbers],
            "b": [None if n % 3 == 0 else n % 2 == 0 for n in numbers],
            "t": [datetime.fromtimestamp(n, UTC) for n in numbers],
            "l": [[n, n + 1] for n in numbers],
        }
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3 * BLOCK), st.integers(1, 3 * BLOCK))
def test_an_append_gives_the_digest_of_the_whole(first: Any, second: Any) -> None:
    whole, _ = extend(EMPTY, table(first + second))
    _, chain = extend(EMPTY, table(first))
    rest = table(first + second).slice(chain.rows)
    assert extend(chain, rest)[0] == whole


def test_the_chain_holds_whole_blocks_only() -> None:
    _, chain = extend(EMPTY, table(2 * BLOCK + 5))
    assert chain.rows == 2 * BLOCK


def test_how_the_rows_are_chunked_in_memory_does_not_count() -> None:
    pieces = pl.concat([table(10), table(7, start=10)], rechunk=False)
    assert extend(EMPTY, pieces)[0] == extend(EMPTY, table(17))[0]


@pytest.mark.parametrize(
    "other",
    [
        pl.DataFrame({"a": [2, 1], "b": ["x", "y"]}),
        pl.DataFrame({"a": [1, 2], "b": ["y", "x"]}),
        pl.DataFrame({"a": [1, 2], "c": ["x", "y"]}),
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        pl.DataFrame({"a": [1, 2], "b": ["xy", ""]}),
        pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        pl.DataFrame({"a": [1], "b": ["x"]}),
        pl.DataFrame({"b": ["x", "y"], "a": [1, 2]}),
    ],
)
def test_any_difference_counts(other: Any) -> None:
    assert extend(EMPTY, other)[0] != extend(EMPTY, pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))[0]


def test_null_differs_from_zero_and_empty() -> None:
    nothing, zero, empty = ([None, 0], ["", None], [None, None])
    digests = {
        extend(EMPTY, pl.DataFrame({"a": nothing, "b": zero}, schema={"a": pl.Int64, "b": pl.String}))[0],
        extend(EMPTY, pl.DataFrame({"a": [0, 0], "b": ["", ""]}))[0],
        extend(EMPTY, pl.DataFrame({"a": empty, "b": empty}, schema={"a": pl.Int64, "b": pl.String}))[0],
    }
    assert len(digests) == 3


def test_the_digest_is_as_specified() -> None:
    """A golden value: what is on disk today must mean the same tomorrow."""
    assert extend(EMPTY, table(3))[0] == GOLDEN


GOLDEN = "b3:5782ad6338029597bebbee3122e834de77a57f3420f63b3f5d48e06c04128f9c"
