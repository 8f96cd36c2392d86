from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from tests.features.worlds import HOUR, START

from mulle.data import dataset
from mulle.features import FeatureView, feature_view
from mulle.features.leaks import find_leaks

weather = dataset("weather", event_time="at")


def readings(count: int = 200) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "at": [START + number * HOUR for number in range(count)],
            "origin": ["JFK"] * count,
            "wind": [float((number * 37) % 11) for number in range(count)],
        }
    )


def view(function: Any, **more: Any) -> FeatureView:
    return feature_view(entity=["origin"], source=weather, ttl="3h", **more)(function)


def honest(rows: pl.DataFrame) -> pl.DataFrame:
    mean = pl.col("wind").rolling_mean_by("at", window_size="6h").over("origin")
    return rows.select("origin", "at", mean=mean, wind="wind")


def ahead(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("origin", "at", "wind", next=pl.col("wind").shift(-1).over("origin"))


def centred(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("origin", "at", scaled=pl.col("wind") - pl.col("wind").mean())


def by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Labelled by the day's first instant, though it needs the whole day."""
    return rows.group_by("origin", pl.col("at").dt.truncate("1d")).agg(pl.col("wind").max())


def test_an_honest_view_is_clean() -> None:
    assert find_leaks(view(honest), readings()) == []


@pytest.mark.parametrize(("function", "column"), [(ahead, "next"), (centred, "scaled"), (by_day, "wind")])
def test_a_view_that_looks_ahead_is_found(function: Any, column: str) -> None:
    (leak,) = find_leaks(view(function), readings())
    assert (leak.kind, leak.column) == ("future", column)


def test_a_leak_says_where_and_what() -> None:
    (leak,) = find_leaks(view(ahead), readings(), cuts=1)
    assert leak.entity == {"origin": "JFK"}
    assert leak.at < leak.cut
    assert (leak.truncated, leak.rows) == (None, 1)


def test_a_lookback_that_suffices_is_clean() -> None:
    assert find_leaks(view(honest, lookback="6h"), readings()) == []


def test_a_lookback_that_is_too_short_is_found() -> None:
    leaks = find_leaks(view(honest, lookback="2h"), readings())
    assert [(leak.kind, leak.column) for leak in leaks] == [("lookback", "mean")]


def test_rows_that_appear_only_with_later_data_are_found() -> None:
    def only_repeated(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.len().over("wind") > 10).select("origin", "at", "wind")

    assert find_leaks(view(only_repeated), readings()) != []


def test_sums_in_another_order_are_no_leak() -> None:
    def running(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select("origin", "at", total=(pl.col("wind") / 3).cum_sum())

    assert find_leaks(view(running), readings()) == []


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_show_nothing(count: int) -> None:
    assert find_leaks(view(honest), readings(count)) == []


def test_the_same_seed_finds_the_same() -> None:
    first, second = (find_leaks(view(ahead), readings(), seed=3) for _ in range(2))
    assert first == second


def test_cuts_fall_between_event_times_too() -> None:
    (leak,) = find_leaks(view(ahead), readings(), cuts=1)
    assert leak.cut - leak.at < timedelta(hours=2)
