from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mulle.errors import FeatureError
from mulle.features.online import OnlineStore, SqliteOnline
from mulle.testing.online_store import HELD, OnlineStoreContract, row


class TestSqliteOnline(OnlineStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[OnlineStore]:
        made = SqliteOnline(tmp_path / "online.db", durable=False)
        yield made
        made.close()


def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    with closing(SqliteOnline(tmp_path / "online.db")) as online:
        online.write(HELD, [row(("JFK",), 20, 1.0, 0)])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_in_child, [tmp_path / "online.db"]) == [[1.0, 0]]


def read_in_child(path: Path) -> object:
    with closing(SqliteOnline(path)) as online:
        return online.read("wind", [("JFK",)], 40)


def test_a_damaged_file_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "online.db").write_bytes(b"no database " * 100)
    with pytest.raises(FeatureError, match="delete the file and run mulle features materialize"):
        SqliteOnline(tmp_path / "online.db")


def test_it_needs_no_table_engine() -> None:
    code = "import sys, mulle.features.online; print({'polars', 'pyarrow', 'numpy', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
