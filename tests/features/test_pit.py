from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.errors import FeatureError
from mulle.features.pit import ViewFrame, point_in_time, reasons

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = pl.Datetime("us", "UTC")

Hours = int | None
Asked = tuple[Hours, Hours, Hours]
"""Two entities and the hour of the question."""
Given = tuple[Hours, Hours, Hours]
"""Two entities and the hour of the event; the value is the row's place."""


def at(hour: Hours) -> datetime | None:
    return None if hour is None else START + hour * HOUR


def spine(rows: list[Asked]) -> pl.DataFrame:
    columns = {"a": [r[0] for r in rows], "b": [r[1] for r in rows], "asked": [at(r[2]) for r in rows]}
    return pl.DataFrame(columns, schema={"a": pl.Int64, "b": pl.Int64, "asked": INSTANT})


def frame(rows: list[Given], entity: tuple[str, ...], delay: int, ttl: int, name: str = "x") -> ViewFrame:
    columns = {"a": [r[0] for r in rows], "b": [r[1] for r in rows], "t": [at(r[2]) for r in rows]}
    table = pl.DataFrame(columns, schema={"a": pl.Int64, "b": pl.Int64, "t": INSTANT})
    table = table.select(*entity, "t", pl.int_range(pl.len()).alias(name))
    return ViewFrame(f"view_{name}", table, entity, "t", delay * HOUR, ttl * HOUR)


def oracle(asked: list[Asked], rows: list[Given], width: int, delay: int, ttl: int) -> list[int | None]:
    """Row by row, as one would say it."""
    found: list[int | None] = []
    for *entity, when in asked:
        best: tuple[int, int] | None = None
        for place, (*theirs, event) in enumerate(rows):
            if when is None or event is None or entity[:width] != theirs[:width] or None in entity[:width]:
                continue
            if event + delay <= when and (best is None or (event, place) > best):
                best = (event, place)
        fresh = best is not None and when is not None and when - (best[0] + delay) <= ttl
        found.append(best[1] if fresh and best is not None else None)
    return found


hours = st.none() | st.integers(0, 12)
entities = st.none() | st.integers(0, 2)
rows_ = st.lists(st.tuples(entities, entities, hours), max_size=14)


@settings(max_examples=300, deadline=None)
@given(rows_, rows_, st.integers(1, 2), st.integers(0, 4), st.integers(0, 6))
def test_the_join_is_what_one_would_say(asked: Any, rows: Any, width: Any, delay: Any, ttl: Any) -> None:
    joined = point_in_time(spine(asked), [frame(rows, ("a", "b")[:width], delay, ttl)], "asked")
    assert joined["x"].to_list() == oracle(asked, rows, width, delay, ttl)


@settings(max_examples=60, deadline=None)
@given(rows_, rows_, rows_, st.booleans())
def test_frames_do_not_disturb_each_other_nor_the_rows(asked: Any, first: Any, second: Any, ordered: Any) -> None:
    asked = sorted(asked, key=lambda row: (row[2] is None, row[2] or 0)) if ordered else asked
    frames = [frame(first, ("a",), 0, 3), frame(second, ("b", "a"), 1, 6, name="y")]
    joined = point_in_time(spine(asked), frames, "asked")
    assert joined.drop("x", "y").equals(spine(asked))
    assert joined["x"].to_list() == oracle(asked, first, 1, 0, 3)
    swapped = [(b, a, hour) for a, b, hour in second]
    assert joined["y"].to_list() == oracle([(b, a, hour) for a, b, hour in asked], swapped, 2, 1, 6)


@settings(max_examples=100, deadline=None)
@given(rows_, rows_, st.integers(0, 4), st.integers(0, 6))
def test_a_reason_is_given_exactly_where_nothing_was_found(asked: Any, rows: Any, delay: Any, ttl: Any) -> None:
    view = frame(rows, ("a",), delay, ttl)
    why = reasons(spine(asked), [view], "asked")[view.name]
    found = oracle(asked, rows, 1, delay, ttl)
    assert [reason is None for reason in why] == [value is not None for value in found]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((0, 0, 5), None),
        ((None, 0, 5), "no entity"),
        ((9, 0, 5), "unknown"),
        ((0, 0, 4), "not yet"),
        ((0, 0, 9), "expired"),
        ((0, 0, None), "not yet"),
    ],
)
def test_reasons(row: Any, reason: Any) -> None:
    view = frame([(0, 0, 3)], ("a",), delay=2, ttl=3)
    assert reasons(spine([row]), [view], "asked")[view.name].to_list() == [reason]


def test_no_frames_leave_the_rows_as_they_are() -> None:
    rows = spine([(1, 1, 1)])
    assert point_in_time(rows, [], "asked") is rows


def test_no_rows_get_the_columns_all_the_same() -> None:
    joined = point_in_time(spine([]), [frame([(1, 1, 1)], ("a",), 0, 1)], "asked")
    assert joined.columns == ["a", "b", "asked", "x"]


def test_a_null_feature_of_the_newest_row_stays_null() -> None:
    table = pl.DataFrame({"a": [1, 1], "t": [at(0), at(1)], "x": [5, None]}, schema_overrides={"t": INSTANT})
    view = ViewFrame("v", table, ("a",), "t", timedelta(0), 5 * HOUR)
    assert point_in_time(spine([(1, 1, 2)]), [view], "asked")["x"].to_list() == [None]


def test_a_missing_asked_column_is_an_error() -> None:
    with pytest.raises(FeatureError, match="no column 'asked'"):
        point_in_time(spine([]).drop("asked"), [], "asked")


def test_a_missing_entity_is_an_error() -> None:
    with pytest.raises(FeatureError, match="no entity column 'a'"):
        point_in_time(spine([]).drop("a"), [frame([], ("a",), 0, 1)], "asked")


def test_entities_of_other_types_are_an_error_with_its_cure() -> None:
    rows = spine([(1, 1, 1)]).with_columns(pl.col("a").cast(pl.String))
    with pytest.raises(FeatureError, match="String in the rows and Int64"):
        point_in_time(rows, [frame([], ("a",), 0, 1)], "asked")


def test_two_columns_of_one_name_are_an_error() -> None:
    twice = [frame([], ("a",), 0, 1), frame([], ("b",), 0, 1)]
    with pytest.raises(FeatureError, match="gives a column 'x', which feature view 'view_x'"):
        point_in_time(spine([]), twice, "asked")


Late = tuple[Hours, Hours, Hours, Hours]
"""Two entities, the hour of the event, and that of the arrival where the row came late."""


def late_frame(rows: list[Late], entity: tuple[str, ...], delay: int, ttl: int) -> ViewFrame:
    made = frame([row[:3] for row in rows], entity, delay, ttl)
    table = made.table.with_columns(arrived=pl.Series([at(row[3]) for row in rows], dtype=INSTANT))
    return ViewFrame(made.name, table, entity, "t", delay * HOUR, ttl * HOUR, "arrived")


def late_oracle(asked: list[Asked], rows: list[Late], width: int, delay: int, ttl: int) -> list[int | None]:
    found: list[int | None] = []
    for *entity, when in asked:
        best: tuple[int, int, int] | None = None
        for place, (*theirs, event, arrived) in enumerate(rows):
            if when is None or event is None or entity[:width] != theirs[:width] or None in entity[:width]:
                continue
            available = max(event + delay, arrived if arrived is not None else 0)
            if available <= when and (best is None or (event, available, place) > best):
                best = (event, available, place)
        fresh = best is not None and when is not None and when - best[1] <= ttl
        found.append(best[2] if fresh and best is not None else None)
    return found


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(entities, entities, hours), max_size=8),
    st.lists(st.tuples(entities, entities, hours, hours), max_size=14),
    st.integers(1, 2),
    st.integers(0, 3),
    st.integers(0, 8),
)
def test_a_row_that_came_late_is_used_from_its_arrival_on(
    asked: list[Asked], rows: list[Late], width: int, delay: int, ttl: int
) -> None:
    view = late_frame(rows, ("a", "b")[:width], delay, ttl)
    joined = point_in_time(spine(asked), [view], "asked")
    assert "arrived" not in joined.columns
    expected = late_oracle(asked, rows, width, delay, ttl)
    assert joined["x"].to_list() == expected
    told = reasons(spine(asked), [view], "asked")["view_x"].to_list()
    known = [place for place, (_, _, when) in enumerate(asked) if when is not None]
    assert [told[place] is None for place in known] == [expected[place] is not None for place in known]
