from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle.data as api
from mulle.catalog import Catalog, ledger
from mulle.data import DataService
from mulle.errors import DataError, SchemaSkewError
from mulle.stats.schema import Schema

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def two_a_day(start: Any, end: Any) -> Any:
    return pl.DataFrame({"at": [start, start + timedelta(hours=5)], "day": [(start - START).days] * 2})


def growing(function: Any = two_a_day, **more: Any) -> Any:
    return api.dataset("days", source=api.source(every="1d", start=START)(function), event_time="at", **more)


def test_each_window_that_is_over_becomes_a_version(data: DataService) -> None:
    made = data.collect(growing(), START + 3 * DAY + timedelta(hours=20))
    assert [(version.number, version.rows, version.watermark) for version in made] == [
        (1, 2, START + DAY),
        (2, 4, START + 2 * DAY),
        (3, 6, START + 3 * DAY),
    ]


def test_a_window_is_taken_once(data: DataService) -> None:
    data.collect(growing(), START + 2 * DAY)
    assert data.collect(growing(), START + 2 * DAY) == ()
    assert [version.number for version in data.collect(growing(), START + 3 * DAY)] == [3]


def test_all_due_windows_may_make_one_version(data: DataService) -> None:
    (version,) = data.collect(growing(), START + 3 * DAY, whole=True)
    assert (version.rows, version.watermark) == (6, START + 3 * DAY)


def test_the_next_window_begins_where_a_commit_by_hand_ended(data: DataService) -> None:
    data.commit(growing(), two_a_day(START, START + DAY), watermark=START + DAY)
    data.collect(growing(), START + 2 * DAY)
    assert data.read("days")["day"].to_list() == [0, 0, 1, 1]


@pytest.mark.parametrize("nothing", [None, pl.DataFrame({"at": [], "day": []})], ids=["None", "no rows"])
def test_a_window_without_rows_moves_on(data: DataService, nothing: Any) -> None:
    quiet = growing(lambda start, end: nothing if start == START + DAY else two_a_day(start, end))
    made = data.collect(quiet, START + 3 * DAY)
    assert [version.rows for version in made] == [2, 4]
    assert data.collect(quiet, START + 3 * DAY) == ()


def test_a_source_asked_once_a_window(data: DataService) -> None:
    asked = []

    def noted(start: Any, end: Any) -> Any:
        asked.append(start)
        return two_a_day(start, end)

    data.collect(growing(noted), START + 2 * DAY)
    data.collect(growing(noted), START + 3 * DAY)
    assert asked == [START, START + DAY, START + 2 * DAY]


def test_a_row_from_the_future_is_refused(data: DataService) -> None:
    ahead = growing(lambda start, end: pl.DataFrame({"at": [end]}))
    with pytest.raises(DataError, match="gave a row outside of it"):
        data.collect(ahead, START + DAY)
    assert data.find_head("days") is None


def test_a_row_without_time_is_refused(data: DataService) -> None:
    timeless = growing(lambda start, end: pl.DataFrame({"at": [start, None]}))
    with pytest.raises(DataError, match="has a null"):
        data.collect(timeless, START + DAY)


def test_a_source_that_raises_is_named_with_its_window(data: DataService) -> None:
    broken = growing(lambda start, end: 1 / 0)
    with pytest.raises(DataError, match="2013-01-01T00:00Z to 2013-01-02T00:00Z failed: ZeroDivisionError"):
        data.collect(broken, START + DAY)


def test_what_was_collected_before_a_failure_stays(data: DataService) -> None:
    broken = growing(lambda start, end: two_a_day(start, end) if start < START + DAY else 1 / 0)
    with pytest.raises(DataError):
        data.collect(broken, START + 3 * DAY)
    assert data.head("days").rows == 2


class Days(Schema):
    at: datetime
    day: int


def test_a_changed_type_stops_the_commit(data: DataService) -> None:
    changed = growing(lambda start, end: two_a_day(start, end).with_columns(day=pl.lit("x")), expect=Days)
    with pytest.raises(SchemaSkewError, match="'day' is declared as int and is str"):
        data.collect(changed, START + DAY)


def test_a_check_may_refuse_the_rows(data: DataService) -> None:
    def refuse(table: Any) -> Any:
        raise DataError(f"{table.height} rows too many")

    with pytest.raises(DataError, match="2 rows too many"):
        data.collect(growing(), START + DAY, refuse)


def test_a_key_repeated_in_another_window_is_refused(data: DataService) -> None:
    same = growing(lambda start, end: pl.DataFrame({"at": [start], "id": [7]}), key=["id"])
    with pytest.raises(DataError, match="id=7"):
        data.collect(same, START + 2 * DAY)


def test_cursor_and_version_share_an_event(data: DataService, catalog: Catalog) -> None:
    (version,) = data.collect(growing(), START + DAY)
    with catalog.read() as tx:
        events = list(ledger.events(tx, limit=10))
    assert [event.id for event in events] == [version.event]


def test_a_dataset_without_source_says_how_to_commit(data: DataService) -> None:
    with pytest.raises(DataError, match="mulle data commit days"):
        data.collect(api.dataset("days"), START)


def test_a_file_is_read_again_when_it_changed(data: DataService, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    files = api.dataset("rows", source="rows.csv")
    counts = []
    for text in ["x\n1\n", "x\n1\n", "x\n1\n2\n"]:
        path.write_text(text)
        counts.append(len(data.collect(files, START)))
    assert counts == [1, 0, 1]
    assert data.read("rows")["x"].to_list() == [1, 2]


def test_a_file_touched_but_equal_is_no_new_version(data: DataService, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x\n1\n")
    files = api.dataset("rows", source=path)
    data.collect(files, START)
    os.utime(path, (1_000, 1_000))
    assert data.collect(files, START) == ()


def test_a_file_with_an_old_fingerprint_is_not_read_again(data: DataService, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x\n1\n")
    os.utime(path, (1_000, 1_000))
    files = api.dataset("rows", source="*.csv")
    data.collect(files, START)
    data.collect(files, START)
    path.write_text("x\n2\n")
    os.utime(path, (1_000, 1_000))
    assert data.collect(files, START) == (), "same size, times and inode: taken as unchanged"
