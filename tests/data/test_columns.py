from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mulle.data.columns import duplicate_keys, schema_of, table_from, with_event_time
from mulle.errors import DataError

NAIVE = datetime(2013, 1, 1, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    "given",
    [
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.LazyFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pa.record_batch({"a": [1, 2], "b": ["x", None]}),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        {"a": [1, 2], "b": ["x", None]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    ],
    ids=lambda given: type(given).__module__ + "." + type(given).__name__,
)
def test_any_table_becomes_the_same_frame(given: Any) -> None:
    assert table_from(given).rows() == [(1, "x"), (2, None)]


@pytest.mark.parametrize("given", [3, "rows", [1, 2], None])
def test_what_is_no_table_is_an_error(given: Any) -> None:
    with pytest.raises(DataError, match="is not a table"):
        table_from(given)


def test_columns_of_unequal_length_are_an_error() -> None:
    with pytest.raises(DataError, match="could not be read"):
        table_from({"a": [1], "b": [1, 2]})


def test_categories_become_text_and_zones_utc() -> None:
    table = pl.DataFrame(
        {
            "kind": pl.Series(["a"], dtype=pl.Categorical),
            "at": pl.Series([NAIVE.replace(hour=12)]).dt.replace_time_zone("Asia/Seoul"),
        }
    )
    plain = table_from(table)
    assert schema_of(plain) == [("kind", "str"), ("at", "datetime[us,UTC]")]
    assert plain["at"][0] == datetime(2013, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        NAIVE,
        datetime(2013, 1, 1, tzinfo=UTC),
        date(2013, 1, 1),
        "2013-01-01T00:00:00",
        "2013-01-01T00:00:00Z",
        "2013-01-01T09:00:00+09:00",
    ],
    ids=str,
)
def test_an_event_time_becomes_an_instant_in_utc(given: Any) -> None:
    table = with_event_time(pl.DataFrame({"at": [given]}), "at", "it")
    assert table.schema["at"] == pl.Datetime("us", "UTC")
    assert table["at"][0] == datetime(2013, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("given", [1.5, True, "noon"])
def test_an_event_time_that_is_no_time_is_an_error(given: Any) -> None:
    with pytest.raises(DataError, match="is not a time"):
        with_event_time(pl.DataFrame({"at": [given]}), "at", "it")


def test_a_missing_event_time_names_the_columns() -> None:
    with pytest.raises(DataError, match="a, b"):
        with_event_time(pl.DataFrame({"a": [1], "b": [2]}), "at", "it")


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (pl.Int32(), "int32"),
        (pl.UInt8(), "uint8"),
        (pl.Float64(), "float64"),
        (pl.String(), "str"),
        (pl.Boolean(), "bool"),
        (pl.Datetime("us"), "datetime[us]"),
        (pl.Datetime("ms", "UTC"), "datetime[ms,UTC]"),
        (pl.Duration("us"), "duration[us]"),
        (pl.List(pl.String), "list[str]"),
        (pl.Struct({"a": pl.Int64}), "struct[a:int64]"),
        (pl.Null(), "null"),
    ],
)
def test_names_of_types(dtype: Any, name: Any) -> None:
    assert schema_of(pl.DataFrame(schema={"x": dtype})) == [("x", name)]


def test_duplicate_keys_are_shown_once_each() -> None:
    table = pl.DataFrame({"k": [1, 2, 1, 2, 3]})
    assert duplicate_keys(table, ["k"]).rows() == [(1,), (2,)]
