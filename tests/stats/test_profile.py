from __future__ import annotations

from datetime import UTC, date, datetime
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.stats.profile import Profile, decode, encode, merge, profile, summarise


def moments(column: Any) -> Any:
    return [column.finite, column.mean, column.m2, column.m3, column.m4]


def only(made: Profile) -> Any:
    (column,) = made.columns
    return column


def test_counts_and_moments() -> None:
    column = only(profile(pl.DataFrame({"x": [1.0, 2.0, None, 3.0, float("nan")]})))
    assert (column.count, column.nulls, column.nans, column.finite) == (5, 1, 1, 3)
    assert (column.minimum, column.maximum, column.mean, column.std) == (1.0, 3.0, 2.0, 1.0)


def test_quantiles_are_near() -> None:
    column = only(profile(pl.DataFrame({"x": np.arange(100_000, dtype=float)})))
    (median,) = column.quantiles([0.5])
    assert median == pytest.approx(50_000, abs=3_000)


def test_distinct_is_near() -> None:
    column = only(profile(pl.DataFrame({"x": [f"v{i % 5_000}" for i in range(20_000)]})))
    assert column.distinct() == pytest.approx(5_000, rel=0.06)


def test_frequent_values_are_counted() -> None:
    column = only(profile(pl.DataFrame({"x": ["a", "b", "a", None]})))
    assert column.top() == [("a", 2), ("b", 1)]


def test_shares_of_a_histogram_sum_to_one() -> None:
    edges, shares = only(profile(pl.DataFrame({"x": [1.0, 1.5, 2.0, 4.0]}))).histogram(bins=3)
    assert edges == [1.0, 2.0, 3.0, 4.0]
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[], [None], [None, None]])
def test_a_column_without_values_has_no_statistics(values: Any) -> None:
    column = only(profile(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})))
    assert (column.finite, column.minimum, column.quantiles([0.5]), column.histogram()) == (0, None, [], ([], []))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=20), min_size=1, max_size=5))
def test_merged_moments_are_those_of_the_whole(chunks: Any) -> None:
    def table(values: Any) -> Any:
        return pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})

    merged = only(reduce(merge, [profile(table(chunk)) for chunk in chunks]))
    whole = only(profile(table([value for chunk in chunks for value in chunk])))
    scale = max(1.0, abs(whole.maximum or 0), abs(whole.minimum or 0))
    for power, (a, b) in enumerate(zip(moments(merged), moments(whole), strict=True)):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-6 * scale ** max(power, 1))
    assert (merged.count, merged.nulls, merged.minimum, merged.maximum) == (
        whole.count,
        whole.nulls,
        whole.minimum,
        whole.maximum,
    )


def test_merged_sketches_see_both() -> None:
    merged = only(merge(profile(pl.DataFrame({"x": ["a", "b"]})), profile(pl.DataFrame({"x": ["b", "c"]}))))
    assert merged.top() == [("b", 2), ("a", 1), ("c", 1)]
    assert round(merged.distinct()) == 3


def test_a_column_of_one_side_counts_as_null_in_the_other() -> None:
    merged = merge(profile(pl.DataFrame({"x": [1]})), profile(pl.DataFrame({"y": [2, 3]})))
    assert [(c.name, c.count, c.nulls) for c in merged.columns] == [("x", 3, 2), ("y", 3, 1)]


def test_bytes_bring_it_back() -> None:
    made = profile(pl.DataFrame({"x": [1, 2], "s": ["a", None]}))
    assert decode(encode(made)) == made


def test_the_summary_shows_times_as_text() -> None:
    table = pl.DataFrame({"at": [datetime(2013, 1, 1, tzinfo=UTC)], "day": [date(2013, 1, 2)]})
    at, day = summarise(profile(table)).columns
    assert (at.minimum, day.maximum) == ("2013-01-01T00:00:00+00:00", "2013-01-02")
