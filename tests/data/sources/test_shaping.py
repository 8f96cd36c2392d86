from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from mulle.data.columns import type_name
from mulle.data.sources.shaping import DECLARED, column_of, from_objects, shaped, type_named
from mulle.errors import SchemaSkewError

INSTANT = pl.Datetime("us", "UTC")


def fit(values: list[Any], dtype: pl.DataType, kind: Any = None) -> Any:
    column = pl.Series("a", values, dtype=kind) if kind is not None else pl.Series("a", values)
    made = shaped(pl.DataFrame([column]), {"a": dtype}, "the table", 1 << 30)
    return made.table["a"].to_list(), made.wrong.to_list()


@pytest.mark.parametrize(
    ("value", "dtype", "read"),
    [
        ("7", pl.Int64(), 7),
        (" 7 ", pl.Int64(), 7),
        ("7.5", pl.Float64(), 7.5),
        ("1e3", pl.Float64(), 1000.0),
        ("Yes", pl.Boolean(), True),
        ("2024-01-02", pl.Date(), date(2024, 1, 2)),
        ("2024-01-02", INSTANT, datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-01-02T03:04", INSTANT, datetime(2024, 1, 2, 3, 4, tzinfo=UTC)),
        ("2024-01-02 03:04:05.5", INSTANT, datetime(2024, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)),
        ("2024-01-02T03:04:05+01:00", INSTANT, datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("20240102T030405Z", INSTANT, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("NA", pl.Int64(), None),
        ("", pl.Float64(), None),
        (5, pl.Float64(), 5.0),
        (5.0, pl.Int64(), 5),
        (date(2024, 1, 2), INSTANT, datetime(2024, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_value_is_read_as_the_wanted_type(value: Any, dtype: pl.DataType, read: Any) -> None:
    assert fit([value], dtype) == ([read], [False])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("x", pl.Int64()),
        ("99999999999999999999", pl.Int64()),
        ("maybe", pl.Boolean()),
        ("2024-13-01", pl.Date()),
        ("tomorrow", INSTANT),
        (True, pl.Int64()),
        ([1], pl.String()),
        (300, pl.Int8()),
    ],
)
def test_a_value_that_does_not_fit_is_marked(value: Any, dtype: pl.DataType) -> None:
    assert fit([value], dtype) == ([None], [True])


def test_values_of_several_types_are_looked_at_one_by_one() -> None:
    assert fit([1, "2", None, "x", 2.5, True], pl.Int64(), pl.Object) == (
        [1, 2, None, None, None, None],
        [False, False, False, True, True, True],
    )


def test_where_every_value_is_wrong_the_type_has_changed() -> None:
    table = pl.DataFrame({"a": ["x", None, "y"]})
    with pytest.raises(SchemaSkewError, match="column 'a' is int, and every one of its 2 values is str, as 'x'"):
        shaped(table, {"a": pl.Int64()}, "the table", 2)
    assert shaped(table, {"a": pl.Int64()}, "the table", 3).wrong.to_list() == [True, False, True]


def test_decimals_widen_integers() -> None:
    assert fit(["1", "2.5"], pl.Int64()) == ([1.0, 2.5], [False, False])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, None], pl.Int64),
        ([1, 2.5], pl.Float64),
        ([Decimal("1.5")], pl.Float64),
        ([1, "x"], pl.String),
        ([timedelta(1)], pl.Duration),
        ([None], pl.Null),
    ],
)
def test_a_column_without_a_wanted_type_is_what_its_values_are(values: list[Any], dtype: Any) -> None:
    assert column_of("a", values, None).dtype == dtype


def test_a_key_that_a_row_lacks_is_empty() -> None:
    assert from_objects([{"a": 1}, {"b": 2}], {}).rows() == [(1, None), (None, 2)]


@pytest.mark.parametrize(
    "dtype", [*DECLARED.values(), pl.Int8(), pl.UInt32(), pl.Float32(), pl.Datetime("ms"), pl.Time()]
)
def test_types_are_found_by_the_names_that_manifests_have(dtype: pl.DataType) -> None:
    assert type_named(type_name(dtype)) == dtype


def test_nested_types_are_read_as_they_are() -> None:
    assert type_named("list[int64]") is None
