from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from mulle.data import drafts, manifest, parts
from mulle.data.reading import page, parts_between, read_version, tail
from mulle.errors import DataError
from mulle.testing.memory_store import MemoryStore

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(numbers: Any) -> Any:
    times = [None if n is None else START + n * HOUR for n in numbers]
    table = pl.DataFrame(
        {"at": pl.Series(times, dtype=pl.Datetime("us", "UTC")), "n": pl.Series(numbers, dtype=pl.Int64)}
    )
    return table.with_columns(text=pl.format("row {}", "n"))


def version(store: MemoryStore, batches: Any, event_time: Any = "at") -> Any:
    base = None
    for batch in batches:
        base = drafts.draft(store, hours(batch), "d", key=(), event_time=event_time, base=base)
    assert base is not None
    return store.put(manifest.encode(base))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.none() | st.integers(0, 20), max_size=6), min_size=1, max_size=5),
    st.none() | st.integers(-1, 21),
    st.none() | st.integers(-1, 21),
)
def test_a_span_is_the_filtered_whole(batches: Any, low: Any, high: Any) -> None:
    store = MemoryStore()
    start, end = (None if bound is None else START + bound * HOUR for bound in (low, high))
    found = read_version(store, version(store, batches), ["n"], start, end)["n"].to_list()
    everything = [n for batch in batches for n in batch]
    if low is None and high is None:
        assert found == everything
    else:
        assert found == [
            n for n in everything if n is not None and (low is None or n >= low) and (high is None or n < high)
        ]


def test_parts_outside_of_the_span_are_not_read() -> None:
    store = MemoryStore()
    digest = version(store, [[0, 1], [2, 3], [4, 5]])
    assert [entry.rows for entry in parts_between(store, digest, START + 2 * HOUR, START + 4 * HOUR)] == [2]


def test_columns_come_in_the_order_asked() -> None:
    store = MemoryStore()
    assert read_version(store, version(store, [[0], [1]]), ["text", "n"]).rows() == [("row 0", 0), ("row 1", 1)]


def test_no_rows_have_the_columns_all_the_same() -> None:
    store = MemoryStore()
    found = read_version(store, version(store, [[0], [1]]), None, START + 9 * HOUR)
    assert (found.height, found.columns) == (0, ["at", "n", "text"])


def test_an_unknown_column_names_those_there_are() -> None:
    store = MemoryStore()
    with pytest.raises(DataError, match="at, n, text"):
        read_version(store, version(store, [[0]]), ["m"])


def test_a_span_without_event_time_is_an_error() -> None:
    store = MemoryStore()
    with pytest.raises(DataError, match="without event time"):
        read_version(store, version(store, [[0]], event_time=None), None, START)


def test_a_page_cuts_across_parts() -> None:
    store = MemoryStore()
    held = manifest.load_table(store, version(store, [[0, 1, 2], [3, 4], [5]]))
    assert page(store, held, 2, 3)["n"].to_list() == [2, 3, 4]


def test_a_page_beyond_the_end_is_empty() -> None:
    store = MemoryStore()
    held = manifest.load_table(store, version(store, [[0]]))
    assert page(store, held, 5, 3).columns == ["at", "n", "text"]


@pytest.mark.parametrize(("rows", "found"), [(0, None), (1, [5]), (3, [3, 4, 5]), (6, [0, 1, 2, 3, 4, 5])])
def test_the_tail_is_the_last_rows(rows: Any, found: Any) -> None:
    store = MemoryStore()
    held = manifest.load_table(store, version(store, [[0, 1, 2], [3, 4], [5]]))
    last = tail(store, held, rows)
    assert (None if last is None else last["n"].to_list()) == found


def test_the_tail_reaches_into_sealed_lists() -> None:
    store = MemoryStore()
    count = manifest.FAN + 2
    held = manifest.load_table(store, version(store, [[n] for n in range(count)]))
    last = tail(store, held, 10)
    assert last is not None
    assert last["n"].to_list() == list(range(count - 10, count))


def test_the_same_rows_give_the_same_part() -> None:
    assert parts.encode(hours([1, 2])) == parts.encode(hours([1, 2]))


def test_a_part_comes_back_as_it_was() -> None:
    table = hours([1, None, 2])
    assert parts.decode(parts.encode(table)).equals(table)


@settings(max_examples=80, deadline=None)
@given(dataframes(max_cols=5, max_size=12, excluded_dtypes=[pl.Categorical, pl.Enum, pl.Int128, pl.UInt128, pl.Object]))
def test_any_type_that_is_stored_comes_back(table: pl.DataFrame) -> None:
    back = parts.decode(parts.encode(table))
    assert back.schema == table.schema
    assert_frame_equal(back, table)


def test_reading_loads_neither_catalog_nor_arrow() -> None:
    modules = "mulle.data.reading, mulle.features.training"
    code = f"import sys, {modules}; print(sorted({{'pyarrow', 'sqlalchemy', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
