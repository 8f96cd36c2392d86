from datetime import UTC, datetime, timedelta, timezone

import pytest

from mulle.errors import UsageError
from mulle.types import duration, instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", timedelta(days=90)), ("6h", timedelta(hours=6)), ("-2h", timedelta(hours=-2)),
        ("5ms", timedelta(milliseconds=5)), ("1.5m", timedelta(seconds=90)), (" 2 w ", timedelta(weeks=2)),
        ("0s", timedelta(0)), (timedelta(1), timedelta(1)),
    ],
)  # fmt: skip
def test_durations(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "90", "d", "90 days", "1h30m", "--1d", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    "value",
    [
        "2013-02-01T06:00:00Z", "2013-02-01T15:00:00+09:00", "2013-02-01 06:00", datetime(2013, 2, 1, 6, tzinfo=UTC),
        datetime(2013, 2, 1, 6), datetime(2013, 2, 1, 15, tzinfo=timezone(timedelta(hours=9))),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_instants_are_in_utc(value: str | datetime) -> None:
    found = instant(value)
    assert (found, found.tzinfo) == (datetime(2013, 2, 1, 6, tzinfo=UTC), UTC)


def test_a_day_is_its_midnight() -> None:
    assert instant("2013-02-01") == datetime(2013, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "2013-13-01"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(UsageError, match="is not an instant"):
        instant(text)
