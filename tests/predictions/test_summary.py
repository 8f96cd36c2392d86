from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from mulle.predictions.summary import realised, summarise

START = datetime(2013, 2, 4, tzinfo=UTC)  # a Monday


def answers(count: int, *, role: str = "live", revision: int = 1) -> pl.DataFrame:
    """One answer an hour; every second one is scored high, and just those turn out true."""
    numbers = range(count)
    return pl.DataFrame({
        "at": [START + timedelta(hours=number) for number in numbers],
        "revision": [revision] * count,
        "model": [f"m@{revision}"] * count,
        "role": [role] * count,
        "latency_us": list(numbers),
        "score": [0.9 if number % 2 else 0.1 for number in numbers],
        "label": [bool(number % 2) for number in numbers],
    }, schema_overrides={"at": pl.Datetime("us", "UTC")})  # fmt: skip


def test_answers_are_counted_by_revision_with_their_latency() -> None:
    table = pl.concat([answers(101), answers(10, revision=2)])
    found = summarise(table, timedelta(days=7)).revisions
    assert [(one.revision, one.answers, one.p50, one.p99) for one in found] == [(1, 101, 50, 99), (2, 10, 5, 9)]


def test_answers_are_counted_over_time() -> None:
    found = summarise(answers(7 * 24), timedelta(days=7))
    assert (found.answers, sum(one.answers for one in found.over_time), len(found.over_time)) == (168, 168, 56)


def test_nothing_answered_is_nothing_to_count() -> None:
    found = summarise(answers(0), timedelta(days=7))
    assert (found.answers, found.revisions, found.over_time) == (0, [], [])


def test_quality_is_measured_by_week() -> None:
    points = realised(answers(14 * 24), timedelta(days=7), "binary")
    assert sum(point.labels for point in points) == 14 * 24
    assert {point.metrics["roc_auc"] for point in points} == {1.0}


def test_shadows_were_not_given_to_anybody_so_they_do_not_count_as_quality() -> None:
    assert realised(answers(200, role="shadow"), timedelta(days=7), "binary") == []


def test_a_stretch_with_hardly_any_label_says_nothing() -> None:
    assert realised(answers(20), timedelta(days=7), "binary") == []
