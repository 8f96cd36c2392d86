from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from mulle.data.definition import Source, asked_at, dataset, source
from mulle.definitions import collecting
from mulle.errors import ProjectError
from mulle.stats.schema import Schema, outcome

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@source(every="1d", start="2013-01-01")
def daily(start: datetime, end: datetime) -> pl.DataFrame:
    """Two rows a day."""
    return pl.DataFrame({"at": [start, end - timedelta(hours=1)]})


def windows(since: Any, until: Any) -> Any:
    return [start for start, _ in daily.windows(since, until)]


def test_a_source_stays_a_function() -> None:
    assert daily(START, START + DAY).height == 2
    assert (getattr(daily, "__name__", ""), daily.__doc__) == ("daily", "Two rows a day.")


def test_windows_are_whole_and_over() -> None:
    assert windows(None, START + 2 * DAY + timedelta(hours=23)) == [START, START + DAY]


def test_windows_begin_where_the_last_ended() -> None:
    assert windows(START + DAY, START + 3 * DAY) == [START + DAY, START + 2 * DAY]


def test_windows_keep_to_their_grid() -> None:
    assert windows(START + timedelta(hours=5), START + 3 * DAY) == [START + DAY, START + 2 * DAY]


@pytest.mark.parametrize("every", ["0s", "-1d"])
def test_a_source_without_length_is_an_error(every: Any) -> None:
    with pytest.raises(ProjectError, match="positive length"):
        source(every=every, start="2013-01-01")


class Flight(Schema):
    at: datetime
    delay: float | None = outcome()
    late: bool | None = outcome()


def test_the_label_is_an_outcome_even_without_a_schema() -> None:
    assert dataset("d", label="late").outcomes() == ["late"]


def test_outcomes_of_the_schema_come_with_the_label() -> None:
    assert dataset("d", label="late", expect=Flight).outcomes() == ["delay", "late"]


def test_rows_are_asked_about_relative_to_their_event() -> None:
    flights = dataset("flights", event_time="at", asked="-2h")
    assert asked_at(flights, pl.DataFrame({"at": [START]}))[0] == START - timedelta(hours=2)


def test_a_dataset_is_collected_by_name() -> None:
    with collecting() as definitions:
        flights = dataset("flights")
    assert definitions.get("dataset", "flights") is flights


def test_a_key_in_one_string_is_an_error_with_its_cure() -> None:
    with pytest.raises(ProjectError, match=r'write key=\["id"\]'):
        dataset("d", key="id")


@pytest.mark.parametrize(
    "given", [{"asked": "-2h"}, {"label_delay": "1d"}, {"source": daily}], ids=["asked", "label_delay", "source"]
)
def test_times_without_an_event_time_are_an_error(given: Any) -> None:
    with pytest.raises(ProjectError, match="has no event_time"):
        dataset("d", **given)


def test_a_source_is_callable_through_its_wrapper() -> None:
    assert isinstance(daily, Source)
