from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests import s3

import mulle
from mulle.data import DataService
from mulle.data.sources.objects import matcher, parted
from mulle.errors import DataError, ProjectError
from mulle.store.bucket import Bucket


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    made = tmp_path / "bucket"
    (made / "in").mkdir(parents=True)
    pl.DataFrame({"a": [1, 2]}).write_parquet(made / "in" / "1.parquet")
    return made


def test_only_new_objects_are_read(collect: Any, data: DataService, bucket: Path) -> None:
    source = mulle.objects(f"file://{bucket}/in/*.parquet")
    assert (collect(source), collect(source)) == ([2], [])
    pl.DataFrame({"a": [3]}).write_parquet(bucket / "in" / "2.parquet")
    (bucket / "in" / "readme.txt").write_text("not a table")
    assert (collect(source), collect(source)) == ([3], [])
    assert data.read("rows")["a"].to_list() == [1, 2, 3]


def test_a_prefix_means_all_tables_below_it(collect: Any, data: DataService, bucket: Path) -> None:
    (bucket / "in" / "deep").mkdir()
    (bucket / "in" / "deep" / "x.csv").write_text("a\n5\n")
    (bucket / "in" / "readme.txt").write_text("not a table")
    collect(mulle.objects(f"file://{bucket}"))
    assert data.read("rows")["a"].to_list() == [1, 2, 5]


def test_an_object_of_lines_that_grew_gives_the_new_ones(collect: Any, data: DataService, bucket: Path) -> None:
    source = mulle.objects(f"file://{bucket}/log.jsonl")
    (bucket / "log.jsonl").write_text('{"a":1}\n')
    collect(source)
    (bucket / "log.jsonl").write_text('{"a":1}\n{"a":2}\n')
    assert collect(source) == [2]
    assert data.head("rows").number == 2


def test_a_changed_object_is_an_error_or_replaces(collect: Any, data: DataService, bucket: Path) -> None:
    url = f"file://{bucket}/in/*.parquet"
    collect(mulle.objects(url))
    pl.DataFrame({"a": [9]}).write_parquet(bucket / "in" / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet has changed"):
        collect(mulle.objects(url))
    assert collect(mulle.objects(url, changed="replace")) == [1]


def test_a_folder_that_is_not_there(collect: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        collect(mulle.objects(f"file://{tmp_path}/nowhere/*.csv"))
    assert not (tmp_path / "nowhere").exists()


def test_a_server_that_is_not_there_loses_nothing(collect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mulle.store.bucket._RETRY", {"max_retries": 0})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    with pytest.raises(DataError, match=r"s3://b/\*\.csv cannot be read"):
        collect(mulle.objects("s3://b/*.csv?endpoint=http://127.0.0.1:9&region=x"))


def test_another_scheme_is_no_bucket() -> None:
    with pytest.raises(ProjectError, match="no address of a bucket"):
        mulle.objects("ftp://b/*.csv")


@pytest.mark.parametrize(
    ("url", "base", "pattern"),
    [
        ("s3://b/in/*.parquet", "s3://b/in", "*.parquet"),
        ("s3://b/in/**/x.csv?endpoint=http://h:1", "s3://b/in?endpoint=http://h:1", "**/x.csv"),
        ("s3://b/in/x.csv", "s3://b/in", "x.csv"),
        ("s3://b/x.csv", "s3://b", "x.csv"),
        ("s3://b/in", "s3://b/in", ""),
        ("s3://b", "s3://b", ""),
        ("s3://b/day-?.csv", "s3://b", "day-?.csv"),
        ("s3://b/day-?.csv?region=x", "s3://b?region=x", "day-?.csv"),
    ],
)
def test_where_listing_begins_and_what_is_wanted(url: str, base: str, pattern: str) -> None:
    assert parted(url) == (base, pattern)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.csv", "a.csv", "a/b.csv"),
        ("**/*.csv", "a/b/c.csv", "a.txt"),
        ("**/*.csv", "c.csv", "c.tsv"),
        ("day-[0-9].csv", "day-1.csv", "day-x.csv"),
        ("[!a].csv", "b.csv", "a.csv"),
        ("", "x/y.parquet", "x/y.txt"),
    ],
)
def test_patterns_match_within_folders(pattern: str, yes: str, no: str) -> None:
    matches = matcher(pattern)
    assert matches(yes)
    assert not matches(no)


@s3.GROUP
def test_a_real_bucket_gives_each_object_once(
    collect: Any, data: DataService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gateway = s3.gateway()
    for name, value in gateway.environment().items():
        monkeypatch.setenv(name, value)
    url = gateway.bucket()
    store = Bucket(url)

    def put(key: str, *values: int) -> None:
        buffer = io.BytesIO()
        pl.DataFrame({"a": values}).write_parquet(buffer)
        store.create(key, buffer.getvalue())

    put("in/1.parquet", 1, 2)
    put("in/deep/2.parquet", 3)
    put("other/3.parquet", 9)
    source = mulle.objects(f"{url}/in/**/*.parquet")
    assert (collect(source), collect(source)) == ([3], [])
    put("in/4.parquet", 4)
    assert collect(source) == [4]
    assert data.read("rows")["a"].to_list() == [1, 2, 3, 4]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng")
    with pytest.raises(DataError, match="cannot be read") as caught:
        collect(source)
    assert caught.value.cause == "it refuses the credentials"
    assert "wr0ng" not in str(caught.value)


@s3.GROUP
def test_a_bucket_that_is_not_there(collect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.gateway().environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DataError) as caught:
        collect(mulle.objects("s3://nowhere/*.csv"))
    assert caught.value.cause == "there is no such bucket"
