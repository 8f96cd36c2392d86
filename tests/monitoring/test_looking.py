from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from benchmarks.false_alarms import quality_week, week

from mulle.errors import MonitoringError
from mulle.monitoring import distance
from mulle.monitoring.declare import drift, monitor, outliers, quality, staleness
from mulle.monitoring.looking import expected, look_at_rows

START = datetime(2026, 1, 5, tzinfo=UTC)
RNG = np.random.default_rng(11)


def rows(n: int, *, carrier: str = "AA", shift: float = 0.0, nulls: int = 0) -> pl.DataFrame:
    at = [START + timedelta(seconds=4 * i) for i in range(n)]
    x = [None if i < nulls else float(value) for i, value in enumerate(RNG.normal(size=n) + shift)]
    return pl.DataFrame({"at": at, "x": x, "carrier": [carrier if i % 2 else "UA" for i in range(n)]})


def moved(batch: pl.DataFrame) -> list[str]:
    against = expected(rows(20_000), None, ["x", "carrier"], drift())
    assert against is not None
    return look_at_rows(against, b"", batch, 0).subjects


def test_rows_like_those_taught_say_nothing() -> None:
    assert moved(rows(4000)) == []


def test_a_number_that_moved_is_named() -> None:
    assert moved(rows(4000, shift=0.3)) == ["x"]


def test_a_category_never_seen_is_named() -> None:
    assert moved(rows(4000, carrier="ZZ")) == ["carrier"]


def test_nulls_that_were_not_there_are_named() -> None:
    assert moved(rows(4000, nulls=400)) == ["x"]


def test_looking_in_pieces_is_looking_at_once() -> None:
    against = expected(rows(20_000), None, ["x", "carrier"], drift())
    assert against is not None
    batch = rows(3000)
    first = look_at_rows(against, b"", batch.head(1000), 0)
    pieces = look_at_rows(against, first.state, batch.tail(2000), 1000)
    assert pieces.state == look_at_rows(against, b"", batch, 0).state
    assert pieces.reading["rows"] == 3000


def test_more_outliers_than_expected_are_told() -> None:
    against = expected(rows(20_000), None, ["x"], outliers())
    assert against is not None
    strange = rows(4000).with_columns(x=pl.when(pl.int_range(4000) % 20 == 0).then(9.0).otherwise(pl.col("x")))
    assert look_at_rows(against, b"", strange, 0).subjects == ["outliers"]


def test_text_alone_has_no_distance() -> None:
    assert distance.fit(pl.DataFrame({"c": ["a", "b"]}), ["c"]) is None


@pytest.mark.soak
@pytest.mark.slow
def test_quiet_weeks_are_quiet_and_a_shift_is_found() -> None:
    assert [week(seed) for seed in range(2)] == [None, None]
    found = week(10_000, shift=0.1)
    assert found is not None
    assert found <= 36


@pytest.mark.soak
def test_quality_that_holds_is_quiet_and_a_fall_is_found() -> None:
    assert [quality_week(seed) for seed in range(4)] == [None] * 4
    assert quality_week(20_000, fall=0.5) is not None


def test_a_chance_must_be_one() -> None:
    with pytest.raises(MonitoringError, match="between 0 and 1"):
        quality("roc_auc", alarms_per_week=2.0)


def test_what_is_no_watch_is_refused() -> None:
    with pytest.raises(MonitoringError, match="is not a watch"):
        monitor("d", [staleness("45d"), "drift"])  # type: ignore[list-item]
