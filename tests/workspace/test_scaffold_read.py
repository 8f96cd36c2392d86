"""Reading a data file that nobody prepared."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import polars as pl
import pytest

from mulle.errors import DataError
from mulle.workspace.scaffold_read import identifiers, read


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a.csv").write_text(f"a{mark}b\n1{mark}2.5\n")
    assert read(tmp_path / "a.csv").table.columns == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("도시,값\n서울,1\n부산,2\n".encode(encoding))
    assert read(tmp_path / "a.csv").table["도시"].to_list() == ["서울", "부산"]


def test_names_become_identifiers() -> None:
    names = ["sepal length (cm)", "class", "2nd", "a b", "a-b", "", "나이"]
    assert list(identifiers(names).values()) == ["sepal_length_cm", "class_", "c2nd", "a_b", "a_b_2", "column", "나이"]


@pytest.mark.parametrize("suffix", ["csv.gz", "zip", "parquet", "jsonl"])
def test_other_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    path, table = tmp_path / f"a.{suffix}", pl.DataFrame({"a": [1], "b": ["x"]})
    if suffix == "csv.gz":
        path.write_bytes(gzip.compress(b"a,b\n1,x\n"))
    elif suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.csv", "a,b\n1,x\n")
    elif suffix == "parquet":
        table.write_parquet(path)
    else:
        table.write_ndjson(path)
    assert read(path).table["b"].to_list() == ["x"]


@pytest.mark.parametrize(
    ("content", "word"), [(b"", "empty"), (b"a,b\n", "no rows"), (b"\0\1\2" * 50, "not text"), (None, "does not exist")]
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes | None, word: str) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=word):
        read(tmp_path / "a.csv")


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4,5,6\n")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(tmp_path / "a.csv")
