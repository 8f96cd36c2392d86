"""What goes out through a door and comes in again has the same logical digest."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing.parametric import dataframes
from tests.data.doors.test_dvc import DVC

from mulle.data import DataService
from mulle.data.doors import plain, typed
from mulle.data.logical import EMPTY, extend
from mulle.errors import DataError, UnknownNameError

NOON = datetime(2020, 1, 1, 12)  # noqa: DTZ001 - columns without a zone are kept too
FLAT = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "small": pl.Series([1, None, -3], dtype=pl.Int8),
        "large": pl.Series([1, None, 2**64 - 1], dtype=pl.UInt64),
        "single": pl.Series([0.1, None, float("nan")], dtype=pl.Float32),
        "real": [0.1, None, float("-inf")],
        "text": ["", None, 'a"b,\n'],
        "truth": [True, None, False],
        "day": [date(2020, 1, 1), None, date(1, 1, 1)],
        "hour": [time(1, 2, 3, 4), None, time(0)],
        "naive": [NOON, None, NOON - timedelta(days=40_000)],
        "at": [datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC)],
        "coarse": pl.Series([NOON, None, None], dtype=pl.Datetime("ms")),
        "span": [timedelta(seconds=3, microseconds=1), None, timedelta(-1)],
        "nothing": pl.Series([None, None, None], dtype=pl.Null),
        "price": pl.Series(["1.20", None, "3.40"]).cast(pl.Decimal(10, 2)),
    }
)
NESTED = FLAT.with_columns(
    listed=pl.Series([[1, 2], None, []]),
    parts=pl.Series([{"a": 1}, {"a": None}, None]),
    raw=pl.Series([b"\0", None, b""]),
)
PLAIN_TYPES: list[Any] = [pl.Int8, pl.Int64, pl.UInt32, pl.Float64, pl.Boolean, pl.String]
PLAIN_TYPES += [pl.Datetime("us"), pl.Datetime("ms"), pl.Date, pl.Time, pl.Duration("us")]


@pytest.mark.parametrize(
    ("door", "table"), [("parquet", NESTED), ("csv", FLAT), ("delta", NESTED)], ids=["parquet", "csv", "delta"]
)
def test_a_table_comes_back(data: DataService, tmp_path: Path, door: str, table: pl.DataFrame) -> None:
    version = data.commit("people", table, key=["id"], event_time="at")
    written = data.export("people", str(tmp_path / "out"), door)
    data.import_(door, written.path, "again")
    again = data.show("again")
    assert again.version.logical == version.logical == written.logical
    assert (again.key, again.event_time) == (["id"], "at")


@pytest.mark.parametrize("door", ["parquet", "csv", "delta"])
def test_a_table_without_rows_comes_back(data: DataService, tmp_path: Path, door: str) -> None:
    version = data.commit("people", FLAT.clear())
    written = data.export("people", str(tmp_path / "out"), door)
    assert data.import_(door, written.path, "again").datasets[0].added == [1]
    assert data.head("again").logical == version.logical


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=dataframes(min_cols=1, max_cols=4, max_size=6, allowed_dtypes=PLAIN_TYPES, allow_null=True))
def test_any_table_comes_back_from_csv(tmp_path: Path, table: pl.DataFrame) -> None:
    path = tmp_path / "table.csv"
    plain.write_csv(table, plain.About(typed.schema_text(table)), path)
    back, _ = plain.read_csv(path)
    assert extend(EMPTY, back)[0] == extend(EMPTY, table)[0]


def test_a_csv_file_says_on_the_web_what_its_columns_are(data: DataService, tmp_path: Path) -> None:
    data.commit("people", FLAT, key=["id"])
    data.export("people", str(tmp_path / "people.csv"), "csv")
    told: Any = json.loads((tmp_path / "people.csv-metadata.json").read_text())
    assert told["tableSchema"]["columns"][0] == {"name": "id", "datatype": "integer"}
    assert told["tableSchema"]["primaryKey"] == ["id"]


def test_a_csv_file_that_was_changed_is_read_as_it_says(data: DataService, tmp_path: Path) -> None:
    data.commit("people", FLAT.select("id"))
    data.export("people", str(tmp_path / "people.csv"), "csv")
    (tmp_path / "people.csv").write_text("id,name\n1,Ann\n")
    with pytest.raises(DataError, match="does not hold what"):
        data.import_("csv", str(tmp_path / "people.csv"))


def test_a_csv_file_of_others_is_inferred(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1,Ann\n")
    data.import_("csv", str(tmp_path / "people.csv"))
    assert data.head("people").schema == [("id", "int64"), ("name", "str")]


def test_what_csv_has_no_form_for_is_refused(data: DataService, tmp_path: Path) -> None:
    data.commit("people", NESTED)
    with pytest.raises(DataError, match="cannot go into a CSV file"):
        data.export("people", str(tmp_path / "people.csv"), "csv")


def test_others_read_the_delta_table_and_travel_in_time(data: DataService, tmp_path: Path) -> None:
    import deltalake

    data.commit("people", FLAT.head(1))
    data.commit("people", FLAT)
    for number in (1, 2):
        data.export(f"people@{number}", str(tmp_path / "delta"), "delta")
    rows = [deltalake.DeltaTable(tmp_path / "delta", version=at).to_pyarrow_table().num_rows for at in (0, 1)]
    assert rows == [1, 3]
    assert pl.read_delta(str(tmp_path / "delta"))["text"].to_list() == FLAT["text"].to_list()


def test_the_order_of_many_rows_is_kept_in_delta(data: DataService, tmp_path: Path) -> None:
    table = pl.DataFrame({"id": pl.int_range(1_500_000, eager=True).shuffle(seed=1)})
    for start in range(0, table.height, 300_000):
        version = data.commit("numbers", table[start : start + 300_000], append=start > 0)
    data.export("numbers", str(tmp_path / "delta"), "delta")
    data.import_("delta", str(tmp_path / "delta"), "again")
    assert data.head("again").logical == version.logical


def test_a_delta_table_that_others_changed_is_read(data: DataService, tmp_path: Path) -> None:
    import deltalake

    data.commit("people", FLAT.select("id", "text"))
    data.export("people", str(tmp_path / "delta"), "delta")
    deltalake.write_deltalake(tmp_path / "delta", pl.DataFrame({"id": [4], "text": ["x"]}).to_arrow(), mode="append")
    data.import_("delta", str(tmp_path / "delta"), "again")
    assert sorted(data.read("again")["id"]) == [1, 2, 3, 4]


def test_a_place_that_is_no_delta_table_is_refused(data: DataService, tmp_path: Path) -> None:
    data.commit("people", FLAT)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(DataError, match="is no Delta table"):
        data.export("people", str(tmp_path / "full"), "delta")
    with pytest.raises(DataError, match="cannot be read as a Delta table"):
        data.import_("delta", str(tmp_path / "full"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "ü ' .bin").write_bytes(bytes(range(256)))
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "empty").touch()
    return folder


def test_a_folder_comes_back(data: DataService, images: Path, tmp_path: Path) -> None:
    version = data.commit("images", images)
    written = data.export("images", str(tmp_path / "out"), "files")
    data.import_("files", written.path, "again")
    assert data.head("again").logical == version.logical


def test_an_export_does_not_write_into_what_is_there(data: DataService, images: Path) -> None:
    data.commit("images", images)
    with pytest.raises(DataError, match="is not empty"):
        data.export("images", str(images), "files")


def test_a_folder_comes_back_from_dvc_unread(data: DataService, images: Path, tmp_path: Path) -> None:
    (images / "tool.sh").chmod(0o644)  # DVC keeps no executable bit in folders
    version = data.commit("images", images)
    data.export("images", str(tmp_path / "repo" / "images"), "dvc")
    (imported,) = data.import_("dvc", str(tmp_path / "repo"), "again").datasets
    assert (imported.source, data.head("again").logical) == ("images", version.logical)


def test_one_file_keeps_its_name_and_bit_in_dvc(data: DataService, images: Path, tmp_path: Path) -> None:
    version = data.commit("tool", images / "tool.sh")
    data.export("tool", str(tmp_path / "repo"), "dvc")
    data.import_("dvc", str(tmp_path / "repo"), "again")
    assert data.head("again").logical == version.logical


def call_dvc(repo: Path, *words: str) -> bytes:
    environment = {"HOME": str(repo.parent), "PATH": os.environ["PATH"]}
    return subprocess.run([DVC, *words], cwd=repo, check=True, capture_output=True, env=environment).stdout


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(not DVC.exists(), reason="DVC is not installed: sh scripts/install_dvc.sh")
@pytest.mark.parametrize("git", [True, False], ids=["in git", "without git"])
def test_dvc_checks_out_what_was_exported(data: DataService, images: Path, tmp_path: Path, git: bool) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    if git:
        subprocess.run(["git", "init", "-q", str(repo)], check=True)
    data.commit("images", images)
    data.commit("tool", images / "tool.sh")
    data.commit("people", FLAT)
    data.export("tool", str(repo), "dvc")
    data.export("images", str(repo / "data" / "images"), "dvc")
    data.export("people", str(repo / "people"), "dvc")
    call_dvc(repo, "checkout")
    assert b"up to date" in call_dvc(repo, "status")
    assert contents(repo / "data" / "images") == contents(images)
    assert (repo / "tool.sh").stat().st_mode & 0o100
    assert pl.read_parquet(repo / "people.parquet").height == 3


def test_a_kind_that_a_door_does_not_take_is_told(data: DataService, images: Path, tmp_path: Path) -> None:
    data.commit("images", images)
    data.commit("people", FLAT)
    with pytest.raises(DataError, match="it is a tree of files, not a table"):
        data.export("images", str(tmp_path / "x"), "parquet")
    with pytest.raises(DataError, match="is a table, not a tree of files"):
        data.export("people", str(tmp_path / "x"), "files")
    with pytest.raises(UnknownNameError, match="did you mean 'parquet'"):
        data.export("people", str(tmp_path / "x"), "parket")
    with pytest.raises(UnknownNameError, match="unknown door 'zip'"):
        data.import_("zip", str(tmp_path / "x"))
