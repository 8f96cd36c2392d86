from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from tests.features.worlds import DAY, HOUR, START, flights, table

from mulle.data import DataService, dataset
from mulle.errors import FeatureError
from mulle.features import feature_view
from mulle.features.frames import compute, frame_for, span_for
from mulle.testing.memory_store import MemoryStore

weather = dataset("weather", event_time="at")
ROWS = pl.DataFrame({"at": [START], "origin": ["JFK"], "wind": [1.0]})


def view(function: Any, source: Any = weather, **more: Any) -> Any:
    return feature_view(**{"entity": ["origin"], "source": source, "ttl": "3h", **more})(function)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: rows.drop("origin"), "gives no column 'origin'"),
        (lambda rows: rows.drop("at"), "gives no column 'at'"),
        (lambda rows: rows.drop("wind"), "gives no features"),
        (lambda rows: rows["rain"], "failed: ColumnNotFoundError"),
        (lambda rows: 3, "is not a table"),
        (lambda rows: rows.with_columns(at=pl.lit(1.5)), "is not a time"),
    ],
)
def test_output_that_is_no_features_is_an_error(function: Any, message: str) -> None:
    with pytest.raises(Exception, match=message):
        compute(view(function), ROWS)


def test_outcomes_are_withheld_from_an_early_view() -> None:
    seen: list[str] = []

    def look(rows: pl.DataFrame) -> pl.DataFrame:
        seen.extend(rows.columns)
        return rows.select("origin", "at", "distance")

    compute(view(look, flights, available_after="0s"), table(1))
    assert seen == ["at", "origin", "id", "distance"]


def test_a_misused_outcome_says_when_it_is_known() -> None:
    with pytest.raises(FeatureError, match="known 1 day, 0:00:00 after the event"):
        compute(view(lambda rows: rows.select("origin", "at", "late"), flights, available_after="1h"), table(1))


def test_the_span_reaches_back_by_delay_ttl_and_lookback() -> None:
    span = span_for(view(lambda rows: rows, available_after="1h", lookback="6h"), START, START + DAY)
    assert (span.start, span.since) == (START - 10 * HOUR, START - 4 * HOUR)


def test_without_lookback_the_span_begins_with_history() -> None:
    assert span_for(view(lambda rows: rows), START, START).start is None


def test_a_frame_is_computed_once_for_the_same_parts(data: DataService, store: MemoryStore) -> None:
    calls: list[int] = []

    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        calls.append(rows.height)
        return rows

    made = view(counted, lookback="0s")
    digest = data.commit(weather, ROWS).digest
    later = data.commit(weather, ROWS.with_columns(pl.col("at") + DAY), append=True).digest
    for manifest in (digest, later):
        frame_for(store, made, manifest, span_for(made, START, START + HOUR))
    assert calls == [1], "the later version has the same parts in this span"
