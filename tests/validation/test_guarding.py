from __future__ import annotations

import polars as pl
import pytest

from mulle.errors import SchemaSkewError
from mulle.stats.schema import Schema, column
from mulle.validation import guard


class Person(Schema):
    name: str
    age: int = column(maximum=120)


def test_a_fitting_table_passes() -> None:
    guard(Person)(pl.DataFrame({"name": ["Ann"], "age": [30]}))


def test_values_out_of_their_limits_pass() -> None:
    guard(Person)(pl.DataFrame({"name": ["Ann"], "age": [130]}))


def test_a_changed_type_stops() -> None:
    with pytest.raises(SchemaSkewError, match="'age' is declared as int and is str"):
        guard(Person, "the batch")(pl.DataFrame({"name": ["Ann"], "age": ["30"]}))


def test_several_missing_columns_are_all_named() -> None:
    with pytest.raises(SchemaSkewError, match="'name' is declared as str and is missing \\(and 1 more: age\\)"):
        guard(Person)(pl.DataFrame({"x": [1]}))
