"""What text columns are."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.workspace.scaffold_columns import columns_of, parse


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "2", None], "int"),
        (["1", "2.5", "NA"], "float"),
        (["1e3", "-.5"], "float"),
        (["2,5", "10"], "float"),
        (["1,234", "12"], "float"),
        (["1", "2", "?"], "int"),
        (["TRUE", "false", ""], "bool"),
        (["yes", "no"], "str"),
        (["00123", "45678"], "str"),
        (["2013-01-01", "2013-12-31"], "date"),
        (["2013-01-01T05:00:00Z", None], "datetime"),
        (["2013-01-01 05:00:00", "NA"], "datetime"),
        (["31/12/2013", "01/02/2014"], "date"),
        (["20130101", "20131231"], "int"),
        (["None", "Some"], "str"),
        ([None, None], "str"),
    ],
)
def test_the_type_of_texts(texts: list[str | None], kind: str) -> None:
    assert parse(pl.Series("x", texts, dtype=pl.String))[1] == kind


def test_a_column_named_as_time_may_be_compact() -> None:
    series, kind, _ = parse(pl.Series("x", ["20130101", "20131231"]), as_time=True)
    assert (kind, str(series[1])) == ("date", "2013-12-31")


def test_times_are_in_utc() -> None:
    series, *_ = parse(pl.Series("x", ["2013-01-01T05:00:00+09:00"]))
    assert str(series[0]) == "2012-12-31 20:00:00+00:00"


@given(st.lists(st.one_of(st.none(), st.integers(-(10**15), 10**15)), min_size=1))
def test_whole_numbers_come_back_as_they_were(values: list[int | None]) -> None:
    texts = [None if value is None else str(value) for value in values]
    series, _, _ = parse(pl.Series("x", texts, dtype=pl.String))
    found: list[Any] = series.to_list()
    assert found == values


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_any_text_is_some_type_and_no_row_is_lost(texts: list[str]) -> None:
    series, kind, _ = parse(pl.Series("x", texts))
    assert len(series) == len(texts)
    assert kind in {"int", "float", "bool", "str", "datetime", "date"}


def test_an_identifier_is_recognised() -> None:
    table = pl.DataFrame({"customer_id": ["a", "b", "c"], "amount": ["1", "2", "3"]})
    _, columns = columns_of(table, {name: name for name in table.columns})
    assert [column.id_like for column in columns] == [True, False]
