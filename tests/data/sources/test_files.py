from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle
from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, ProjectError, SchemaSkewError


def values(data: DataService, name: str = "rows", column: str = "a") -> list[Any]:
    found: list[Any] = data.read(name)[column].to_list()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_an_empty_folder_has_nothing_yet(collect: Any, folder: Path) -> None:
    assert collect(mulle.files("in")) == []


def test_new_files_are_appended_and_none_is_read_twice(collect: Any, data: DataService, folder: Path) -> None:
    source = mulle.files("in/*.csv")
    (folder / "1.csv").write_text("a,b\n1,x\n2,y\n")
    (folder / "2.csv").write_text("a,b\n3,z\n")
    assert collect(source) == [3]
    (folder / "0.csv").write_text("b,a\nw,4\n")
    assert (collect(source), collect(source)) == ([4], [])
    assert values(data) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "grown",
    [
        ("x.csv", "a,b\n1,x\n", "2,y\n"),
        ("x.tsv", "a\tb\n1\tx\n", "2\ty\n"),
        ("x.jsonl", '{"a":1,"b":"x"}\n', '{"a":2,"b":"y"}\n'),
    ],
    ids=lambda grown: grown[0],
)
def test_a_file_that_grew_by_lines_gives_the_new_lines(
    collect: Any, data: DataService, folder: Path, grown: tuple[str, str, str]
) -> None:
    name, first, more = grown
    source = mulle.files("in")
    (folder / name).write_text(first)
    assert collect(source) == [1]
    add(folder / name, more)
    assert (collect(source), collect(source)) == ([2], [])
    assert values(data) == [1, 2]
    assert data.head("rows").number == 2, "the first part is shared, not rewritten"


def test_a_last_line_without_its_end_is_a_row_and_may_get_its_end_later(
    collect: Any, data: DataService, folder: Path
) -> None:
    source = mulle.files("in")
    (folder / "x.csv").write_text("a\n1\n2")
    assert collect(source) == [2]
    add(folder / "x.csv", "\n3\n")
    assert collect(source) == [3]
    assert values(data) == [1, 2, 3]


def test_a_last_line_that_goes_on_is_a_change(collect: Any, folder: Path) -> None:
    source = mulle.files("in")
    (folder / "x.csv").write_text("a\n1\n2")
    collect(source)
    add(folder / "x.csv", "5\n")
    with pytest.raises(DataError, match=r"in/x\.csv has changed"):
        collect(source)


def test_a_quoted_field_may_hold_line_ends(collect: Any, data: DataService, folder: Path) -> None:
    (folder / "x.csv").write_text('a,b\n1,"one\ntwo"\n2,"say ""hi"""\n')
    assert collect(mulle.files("in")) == [2]
    assert data.read("rows")["b"].to_list() == ["one\ntwo", 'say "hi"']


def test_a_file_that_was_only_touched_is_not_taken_again(collect: Any, folder: Path) -> None:
    source = mulle.files("in")
    (folder / "x.csv").write_text("a\n1\n")
    collect(source)
    os.utime(folder / "x.csv", (1_000, 1_000))
    assert collect(source) == []


def test_a_quiet_look_writes_nothing(collect: Any, catalog: Catalog, folder: Path) -> None:
    source = mulle.files("in")
    (folder / "x.csv").write_text("a\n1\n")
    os.utime(folder / "x.csv", (1_000, 1_000))
    collect(source)
    counts = []
    for _ in range(2):
        collect(source)
        with catalog.read() as tx:
            counts.append(len(list(ledger.events(tx, limit=100))))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_changed_file_is_an_error_that_says_what_to_declare(collect: Any, folder: Path, ending: str) -> None:
    def write(*rows: int) -> None:
        table = pl.DataFrame({"a": rows})
        table.write_csv(folder / "x.csv") if ending == "csv" else table.write_parquet(folder / "x.parquet")

    write(1, 2)
    collect(mulle.files("in"))
    write(1, 3)
    with pytest.raises(DataError, match='changed="replace"'):
        collect(mulle.files("in"))


def test_with_replace_a_changed_file_makes_a_version_of_all_there_is(
    collect: Any, data: DataService, folder: Path
) -> None:
    source = mulle.files("in", changed="replace")
    (folder / "1.csv").write_text("a\n1\n2\n")
    (folder / "2.csv").write_text("a\n3\n")
    collect(source)
    (folder / "1.csv").write_text("a\n7\n")
    (folder / "3.csv").write_text("a\n8\n")
    assert (collect(source), collect(source)) == ([3], [])
    assert values(data) == [7, 3, 8]


@pytest.mark.parametrize(("removed", "left"), [("keep", [1, 2]), ("replace", [2])])
def test_what_becomes_of_the_rows_of_a_removed_file_is_declared(
    collect: Any, data: DataService, folder: Path, removed: Any, left: list[int]
) -> None:
    source = mulle.files("in", removed=removed)
    (folder / "1.csv").write_text("a\n1\n")
    (folder / "2.csv").write_text("a\n2\n")
    collect(source)
    (folder / "1.csv").unlink()
    collect(source)
    assert values(data) == left
    assert collect(source) == []


def test_a_removed_file_is_an_error_by_default(collect: Any, folder: Path) -> None:
    (folder / "1.csv").write_text("a\n1\n")
    collect(mulle.files("in"))
    (folder / "1.csv").unlink()
    with pytest.raises(DataError, match=r"in/1\.csv is gone"):
        collect(mulle.files("in"))


def test_rows_that_come_again_with_a_replacement_keep_their_arrival(
    collect: Any, data: DataService, folder: Path, clock: VirtualClock
) -> None:
    source = mulle.files("in", changed="replace")
    (folder / "1.csv").write_text("a,t\n1,2024-01-01\n")
    collect(source, event_time="t")
    add(folder / "1.csv", "2,2024-01-02\n")
    collect(source, event_time="t")
    second = clock.now()
    (folder / "1.csv").write_text("a,t\n3,2024-01-03\n2,2024-01-02\n1,2024-01-01\n")
    collect(source, event_time="t")
    assert data.read("rows")["arrived"].to_list() == [clock.now(), second, None]


def test_types_that_the_first_file_had_hold_for_the_others(collect: Any, data: DataService, folder: Path) -> None:
    (folder / "1.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
    (folder / "2.csv").write_text("a,b\n4,5\nsix,7\n8,9\n")
    assert collect(mulle.files("in")) == [5]
    assert data.read("rows")["b"].to_list() == ["x", "y", "z", "5", "9"]
    assert data.read("rows.quarantine")["reason"].to_list() == ["a: 'six' is not an integer"]


def test_decimals_after_integers_widen_the_column(collect: Any, data: DataService, folder: Path) -> None:
    (folder / "1.csv").write_text("a\n1\n")
    (folder / "2.csv").write_text("a\n2.5\n")
    collect(mulle.files("in"))
    assert values(data) == [1.0, 2.5]


def test_a_file_without_a_column_stops_the_collection(collect: Any, data: DataService, folder: Path) -> None:
    (folder / "1.csv").write_text("a,b\n1,x\n")
    collect(mulle.files("in"))
    (folder / "2.csv").write_text("a\n2\n3\n")
    with pytest.raises(SchemaSkewError, match="column 'b' is str in the dataset and missing"):
        collect(mulle.files("in"))
    assert values(data) == [1]


def test_a_column_that_changed_its_type_stops_the_collection(collect: Any, folder: Path) -> None:
    (folder / "1.csv").write_text("a\n1\n")
    collect(mulle.files("in"))
    (folder / "2.csv").write_text("a\nx\ny\n")
    with pytest.raises(SchemaSkewError, match="column 'a' is int, and every one of its 2 values is str, as 'x'"):
        collect(mulle.files("in"))


def test_a_half_written_parquet_file_is_an_error_until_it_is_whole(
    collect: Any, data: DataService, folder: Path
) -> None:
    path = folder / "x.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(DataError, match="cannot be read"):
        collect(mulle.files("in"))
    path.write_bytes(whole)
    assert collect(mulle.files("in")) == [1]


def test_a_folder_that_is_not_there_is_an_error(collect: Any) -> None:
    with pytest.raises(DataError, match="no file matches elsewhere"):
        collect(mulle.files("elsewhere/*.csv"))


def test_a_large_file_is_taken_in_stretches(
    collect: Any, data: DataService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mulle.data.sources.pieces.BATCH_BYTES", 64)
    (folder / "x.csv").write_text("a\n" + "".join(f"{n}\n" for n in range(100)))
    (folder / "y.csv").write_text("a\n100\n")
    assert len(collect(mulle.files("in"))) > 2
    assert values(data) == list(range(101))
    assert collect(mulle.files("in")) == []


def test_files_may_stay_files_and_only_new_ones_are_read(collect: Any, data: DataService, folder: Path) -> None:
    source = mulle.files("in", as_files=True)
    (folder / "1.png").write_bytes(b"one")
    collect(source)
    (folder / "deep").mkdir()
    (folder / "deep" / "2.png").write_bytes(b"two")
    collect(source)
    assert collect(source) == []
    assert [version.message for version in data.versions("rows")] == ["1 new file in in", "1 new file in in"]
    data.checkout("rows", folder.parent / "out")
    assert (folder.parent / "out" / "deep" / "2.png").read_bytes() == b"two"
    stands = data.collected("rows")
    assert stands is not None
    assert stands.cursor == "2 files"


@pytest.mark.parametrize("what", ["changed", "removed"])
def test_of_files_that_stay_files_too_a_change_is_declared(
    collect: Any, data: DataService, folder: Path, what: str
) -> None:
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes(name.encode())
    collect(mulle.files("in", as_files=True))
    if what == "changed":
        (folder / "1.png").write_bytes(b"other")
    else:
        (folder / "1.png").unlink()
    with pytest.raises(DataError, match=rf"1\.png in in was {what}"):
        collect(mulle.files("in", as_files=True))
    collect(mulle.files("in", as_files=True, changed="replace", removed="replace"))
    assert data.head("rows").number == 2


def test_removed_files_cannot_stay_in_a_folder() -> None:
    with pytest.raises(ProjectError, match="cannot be kept"):
        mulle.files("in", as_files=True, removed="keep")
