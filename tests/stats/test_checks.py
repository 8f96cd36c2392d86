from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from mulle.stats.checks import Violation, check_table, kind_of, schema_skew
from mulle.stats.schema import Schema, column, outcome


class Reading(Schema):
    station: str = column(values=["north", "south"])
    number: int = column(unique=True)
    wind: float = column(minimum=0, maximum=100)
    storm: bool | None = outcome()


def readings(**changed: Any) -> Any:
    columns = {"station": ["north", "south"], "number": [1, 2], "wind": [3.0, 4.0], "storm": [None, True]}
    return pl.DataFrame({**columns, **changed})


def rules(table: Any) -> Any:
    return [(each.column, each.rule, each.rows) for each in check_table(Reading, table)]


def test_a_fitting_table_breaks_nothing() -> None:
    assert check_table(Reading, readings()) == []


def test_columns_beyond_the_schema_are_welcome() -> None:
    assert check_table(Reading, readings(extra=[1, 2])) == []


def test_a_missing_column_is_schema_skew() -> None:
    (violation,) = check_table(Reading, readings().drop("wind"))
    assert violation == Violation("wind", "missing", "schema", "float", "no such column")


def test_a_changed_type_is_schema_skew() -> None:
    (violation,) = check_table(Reading, readings(number=["1", "2"]))
    assert (violation.rule, violation.declared, violation.found) == ("type", "int", "str")


def test_an_int_may_stand_for_a_float_but_not_the_other_way() -> None:
    assert rules(readings(wind=[3, 4])) == []
    assert rules(readings(number=[1.0, 2.0])) == [("number", "type", 0)]


def test_a_column_of_nulls_fits_any_nullable_type() -> None:
    assert rules(readings(storm=[None, None])) == []


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"wind": [None, 4.0]}, ("wind", "null", 1)),
        ({"wind": [-1.0, -2.0]}, ("wind", "minimum", 2)),
        ({"wind": [1.0, 101.0]}, ("wind", "maximum", 1)),
        ({"station": ["north", "east"]}, ("station", "values", 1)),
        ({"number": [7, 7]}, ("number", "duplicate", 1)),
    ],
)
def test_values_that_break_a_rule_are_counted(changed: Any, broken: Any) -> None:
    assert rules(readings(**changed)) == [broken]


def test_an_empty_table_breaks_no_rule_of_values() -> None:
    assert check_table(Reading, readings().clear()) == []


def test_violations_come_in_the_order_of_the_schema() -> None:
    assert [name for name, _, _ in rules(readings(station=["x", "y"]).drop("wind"))] == ["station", "wind"]


def test_schema_skew_names_column_declared_and_found() -> None:
    error = schema_skew(check_table(Reading, readings(number=["1", "2"])), "dataset 'readings'")
    assert error is not None
    assert error.cause == "column 'number' is declared as int and is str"
    assert "dataset 'readings'" in error.message
    assert error.cure


def test_value_skew_alone_is_no_error() -> None:
    assert schema_skew(check_table(Reading, readings(wind=[-1.0, 2.0])), "it") is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "int"),
        (1.0, "float"),
        ("a", "str"),
        (True, "bool"),
        (date(2013, 1, 1), "date"),
        (datetime(2013, 1, 1, tzinfo=UTC), "datetime"),
        (timedelta(1), "duration"),
        (b"a", "bytes"),
        ([1], "list"),
        ({"a": 1}, "struct"),
        (None, "null"),
    ],
)
def test_kinds(value: Any, kind: Any) -> None:
    assert kind_of(pl.Series([value]).dtype) == kind


def test_categories_are_text() -> None:
    assert kind_of(pl.Categorical()) == "str"
