from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.delivery.backfill.model import Window
from mulle.delivery.backfill.windows import crossed, filled, windows
from mulle.errors import UsageError

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_whole_days() -> None:
    found = windows(START, START + 2.5 * DAY, "1d")
    assert [each.key for each in found] == ["2013-01-01", "2013-01-02"]
    assert found[-1].as_of == START + 2 * DAY


def test_months_by_cron() -> None:
    found = windows(START, datetime(2013, 4, 1, tzinfo=UTC), "0 0 1 * *")
    assert [each.key for each in found] == ["2013-01-01", "2013-02-01", "2013-03-01"]


@given(st.integers(1, 400), st.integers(1, 72), st.integers(0, 48))
def test_windows_touch_and_stay_within(days: int, hours: int, more: int) -> None:
    end = START + timedelta(days=days, hours=more)
    if timedelta(hours=hours) > end - START:
        return
    found = windows(START, end, f"{hours}h")
    assert found[0].start == START
    assert all(one.end == two.start for one, two in pairwise(found))
    assert found[-1].end is not None
    assert end - timedelta(hours=hours) < found[-1].end <= end


@pytest.mark.parametrize(("every", "said"), [("0d", "no length"), ("soon", "duration"), ("0 0 32 * *", "cron")])
def test_what_is_no_length_is_told(every: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        windows(START, START + DAY, every)


def test_a_range_without_a_whole_window_is_told() -> None:
    with pytest.raises(UsageError, match="no whole window"):
        windows(START, START + DAY, "1w")


def test_too_many_windows_are_told() -> None:
    with pytest.raises(UsageError, match="10,000"):
        windows(START, START + 30 * DAY, "1m")


def test_parameters_speak_of_the_window() -> None:
    window = Window(key="", start=START, end=START + DAY, partition="AA")
    told = filled(
        window, {"path": "{start:%Y%m%d}/{partition}.csv", "n": 3}, ["as_of", "carrier", "path", "n"], "carrier"
    )
    assert told == {"as_of": "2013-01-02T00:00:00+00:00", "carrier": "AA", "path": "20130101/AA.csv", "n": 3}


def test_a_word_that_a_window_does_not_have_is_told() -> None:
    with pytest.raises(UsageError, match="path"):
        filled(Window(key="", start=START, end=START + DAY), {"path": "{day}"}, ["path"])


def test_partitions_alone_and_with_windows() -> None:
    assert [each.key for each in crossed([], "carrier", ["AA", "UA"])] == ["carrier=AA", "carrier=UA"]
    spans = windows(START, START + 2 * DAY, "1d")
    assert len(crossed(spans, "carrier", ["AA", "UA"])) == 4
