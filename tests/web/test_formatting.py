from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from mulle.web import formatting
from mulle.web.formatting import NOTHING


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        (math.nan, NOTHING),
        (True, "true"),
        ("as it is", "as it is"),
        (1234567, "1,234,567"),
        (3.0, "3"),
        (12345.678, "12,345.7"),
        (0.71234, "0.7123"),
        (0.00001234, "1.23e-05"),
    ],
)
def test_numbers(value: object, text: str) -> None:
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        (0.000145, "145 µs"),
        (0.095, "95 ms"),
        (4.61, "4.6 s"),
        (timedelta(minutes=3, seconds=5), "3 m 05 s"),
        (7500, "2 h 05 m"),
        (timedelta(days=7), "7 d"),
        (timedelta(days=2, hours=6), "2 d 6 h"),
    ],
)
def test_lengths_of_time(value: float | timedelta | None, text: str) -> None:
    assert formatting.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, NOTHING), (12, "12 B"), (1234, "1.2 kB"), (186_000, "186 kB"), (3.2e9, "3.2 GB"), (4e13, "40.0 TB")],
)
def test_sizes(value: float | None, text: str) -> None:
    assert formatting.size(value) == text


def test_an_instant_is_shown_in_utc_whatever_zone_it_came_in() -> None:
    kst = datetime.fromisoformat("2013-02-01T15:00:00+09:00")
    assert ">2013-02-01 06:00<" in formatting.instant(kst)


def test_an_instant_says_its_seconds_where_it_has_some() -> None:
    assert ">2013-02-01 06:00:07<" in formatting.instant(datetime(2013, 2, 1, 6, 0, 7, tzinfo=UTC))


@pytest.mark.parametrize(
    ("message", "tidy"),
    [
        ("2013-02-25T00:00Z to 2013-02-26T00:00Z", "2013-02-25 to 2013-02-26"),
        ("until 2013-02-25T06:30:00+00:00", "until 2013-02-25 06:30"),
        ("nothing to tidy", "nothing to tidy"),
    ],
)
def test_instants_within_a_message(message: str, tidy: str) -> None:
    assert formatting.tidy(message) == tidy


def test_the_telling_metrics_come_first_and_the_descriptive_last() -> None:
    assert formatting.metric_order(["rows", "accuracy", "lift", "roc_auc"]) == ["roc_auc", "accuracy", "lift", "rows"]


def test_markup_in_a_name_is_text() -> None:
    assert "<script>" not in formatting.short("<script>" + "x" * 28)


@pytest.mark.parametrize(
    ("status", "tone"), [("succeeded", "ok"), ("failed", "bad"), ("running", "live"), ("cached", "")]
)
def test_tones(status: str, tone: str) -> None:
    assert formatting.tone(status) == tone
