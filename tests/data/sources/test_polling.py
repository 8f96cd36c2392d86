from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import mulle
import mulle.data as api
from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.delivery.world import Collected
from mulle.errors import DataError

NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    (made / "1.csv").write_text("a,t\n1,2024-01-01\n2,2024-01-02\n")
    return made


def test_a_source_is_not_asked_more_often_than_it_says(data: DataService) -> None:
    hourly = api.dataset("rows", source=mulle.files("in", every="1h"))
    asked = [data.due(hourly, NOW + timedelta(minutes=minutes)) for minutes in (0, 30, 60, 61)]
    assert asked == [True, False, True, False]
    data.ask_again(hourly)
    assert data.due(hourly, NOW + timedelta(minutes=62))


def test_standard_input_is_not_for_the_wheel(data: DataService) -> None:
    assert not data.due(api.dataset("rows", source=mulle.lines("-")), NOW)


def test_windows_and_whole_files_are_always_due(data: DataService) -> None:
    defined = api.dataset("rows", source="x.csv")
    assert [data.due(defined, NOW), data.due(defined, NOW)] == [True, True]


def test_the_wheel_collects_what_it_can_before_it_tells_of_a_failure(
    data: DataService, folder: Path, clock: VirtualClock
) -> None:
    broken = api.dataset("broken", source=mulle.files("nowhere/*.csv", every="1m"))
    rows = api.dataset("rows", source=mulle.files("in", every="1s"))
    arrivals = Collected(data, [broken, rows])
    assert arrivals.arrive(clock.now()) == ["rows@1"]
    with pytest.raises(DataError, match="no file matches nowhere"):
        arrivals.arrive(clock.now())
    assert arrivals.arrive(clock.now()) == [], "until it is time to ask again, the wheel turns as if nothing were"


def test_what_was_there_at_the_beginning_has_no_arrival_whatever_batch_it_came_in(
    collect: Any, data: DataService, folder: Path, clock: VirtualClock
) -> None:
    source = mulle.files("in")
    collect(source, event_time="t")
    (folder / "2.csv").write_text("a,t\n3,2023-12-31\n")
    collect(source, event_time="t")
    assert data.read("rows")["arrived"].to_list() == [None, None, clock.now()]


def test_a_collection_that_fails_half_way_is_still_the_beginning(
    collect: Any, data: DataService, tmp_path: Path
) -> None:
    def parse(line: str) -> dict[str, Any]:
        return {"n": int(line), "t": "2024-01-01"}

    def checked(rows: Any) -> None:
        if 2 in rows["n"].to_list() and not mended:
            raise DataError("not yet")

    mended = False
    (tmp_path / "x.log").write_text("1\n2\n3\n")
    defined = api.dataset("rows", source=mulle.lines("x.log", parse=parse, batch=1), event_time="t", checks=[checked])
    with pytest.raises(DataError, match="not yet"):
        collect(defined)
    mended = True
    collect(defined)
    assert data.read("rows").select("n", "arrived").rows() == [(1, None), (2, None), (3, None)]


def test_late_rows_are_counted_in_the_event(collect: Any, data: DataService, folder: Path, catalog: Catalog) -> None:
    collect(mulle.files("in"), event_time="t")
    (folder / "2.csv").write_text("a,t\n3,2024-01-01\n4,2024-02-01\n")
    collect(mulle.files("in"), event_time="t")
    with catalog.read() as tx:
        told = next(event.payload for event in ledger.events(tx, limit=10) if event.subject == "dataset:rows@2")
    assert told["late"] == 1
    assert told["source"] == "in"


def test_a_column_of_arrival_may_have_another_name_or_none(collect: Any, data: DataService, folder: Path) -> None:
    collect(api.dataset("named", source=mulle.files("in"), event_time="t", arrived="seen_at"))
    collect(api.dataset("none", source=mulle.files("in"), event_time="t", arrived=""))
    assert data.read("named").columns == ["a", "t", "seen_at"]
    assert data.read("none").columns == ["a", "t"]


def test_arrivals_that_the_source_tells_are_kept(collect: Any, data: DataService, folder: Path) -> None:
    (folder / "1.csv").write_text("a,t,arrived\n1,2024-01-01,2024-01-05\n")
    collect(mulle.files("in"), event_time="t")
    assert data.read("rows")["arrived"].to_list() == [datetime(2024, 1, 5, tzinfo=UTC)]


def test_a_source_by_window_is_not_followed_nor_taken_anew(data: DataService) -> None:
    windows = api.dataset("rows", source=api.source(every="1d", start=NOW)(lambda *_: None), event_time="t")
    with pytest.raises(DataError, match="cannot be followed"):
        next(data.follow(windows))
    with pytest.raises(DataError, match="cannot be taken anew"):
        data.collect(windows, NOW, anew=True)


def test_a_check_of_the_dataset_sees_the_new_rows(collect: Any, data: DataService, folder: Path) -> None:
    seen: list[int] = []
    defined = api.dataset("rows", source=mulle.files("in"), checks=[lambda rows: seen.append(rows.height)])
    collect(defined)
    assert seen == [2]
