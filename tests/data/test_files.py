from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mulle.data import files
from mulle.errors import DataError

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl", ".arrow"])
def test_a_table_written_is_read_back(tmp_path: Path, ending: Any) -> None:
    files.write_table_file(ROWS, tmp_path / f"t{ending}")
    assert files.read_table_file(tmp_path / f"t{ending}").equals(ROWS)


def test_tabs_separate_a_tsv(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx\n2\ty\n")
    assert files.read_table_file(tmp_path / "t.tsv").equals(ROWS)


def test_dates_in_csv_are_parsed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("at\n2013-01-01T05:00:00\n")
    assert files.read_table_file(tmp_path / "t.csv").schema["at"] == pl.Datetime("us")


@pytest.mark.parametrize("word", ["NA", "null", "?"])
def test_a_word_for_an_empty_cell_is_null_where_the_rest_are_numbers(tmp_path: Path, word: str) -> None:
    (tmp_path / "t.csv").write_text(f"delay,at\n{word},2013-01-01\n1.5,{word}\n")
    table = files.read_table_file(tmp_path / "t.csv")
    assert (table["delay"].to_list(), table["at"].to_list()) == ([None, 1.5], [date(2013, 1, 1), None])


def test_the_same_word_among_text_is_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("country\nNA\nKR\n")
    assert files.read_table_file(tmp_path / "t.csv")["country"].to_list() == ["NA", "KR"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n1,2,3\n", "cannot be read"),
        ("t.parquet", b"not parquet", "cannot be read"),
        ("t.jsonl", b"{", "cannot be read"),
        ("t.xlsx", b"", "is not a table"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, name: Any, content: Any, message: Any) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        files.read_table_file(tmp_path / name)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        files.read_table_file(tmp_path / "t.csv")


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    assert files.read_table_file(tmp_path / "t.csv").columns == ["a", "b"]


def test_a_glob_finds_files_in_order(tmp_path: Path) -> None:
    for name in ["b.csv", "a.csv", "c.txt"]:
        (tmp_path / name).write_text("x\n1\n")
    assert [path.name for path in files.matching("*.csv", tmp_path)] == ["a.csv", "b.csv"]


def test_a_folder_means_its_tables(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n")
    (tmp_path / "in" / "notes.md").write_text("x")
    assert [path.name for path in files.matching("in", tmp_path)] == ["a.csv"]


def test_no_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        files.matching("*.csv", tmp_path)


def test_files_are_read_one_after_another(tmp_path: Path) -> None:
    for name in ["a.csv", "b.csv"]:
        files.write_table_file(ROWS, tmp_path / name)
    assert files.read_table_files(files.matching("*.csv", tmp_path)).height == 4


def test_files_with_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("y\n1\n")
    with pytest.raises(DataError, match=r"b\.csv does not have the columns"):
        files.read_table_files(files.matching("*.csv", tmp_path))


def test_a_file_as_new_as_now_has_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n")
    assert files.fingerprint([tmp_path / "a.csv"], time.time_ns()) == ""


def test_an_older_file_has_one_that_changes_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    prints = []
    for text in ["x\n", "x\n1\n"]:
        path.write_text(text)
        os.utime(path, (1_000, 1_000))
        prints.append(files.fingerprint([path], time.time_ns()))
    assert prints[0] != prints[1]
