from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.data import DataService, csv_types, files, parts, streams
from mulle.data.incoming import Incoming
from mulle.errors import DataError
from mulle.testing.soak import repeat

TABLE = pl.DataFrame({"id": range(50), "name": [f"n{each}" for each in range(50)], "x": [None, 0.5] * 25})


@pytest.fixture(params=[7, 1 << 20], ids=["many parts", "one part"])
def part_rows(request: Any, monkeypatch: Any) -> int:
    monkeypatch.setattr(parts, "PART_ROWS", request.param)
    return int(request.param)


def sqlite_cursor() -> Any:
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE t (id INTEGER, name TEXT, x REAL)")
    base.executemany("INSERT INTO t VALUES (?, ?, ?)", TABLE.rows())
    return base.execute("SELECT * FROM t ORDER BY id")


def from_duckdb() -> Any:
    return duckdb.from_arrow(TABLE.to_arrow()).order("id")


SOURCES: dict[str, Any] = {
    "polars": lambda: TABLE,
    "lazy": TABLE.lazy,
    "arrow": TABLE.to_arrow,
    "arrow reader": lambda: pa.RecordBatchReader.from_stream(TABLE),
    "pandas": lambda: pd.DataFrame({name: TABLE[name].to_list() for name in TABLE.columns}),
    "duckdb": from_duckdb,
    "cursor": sqlite_cursor,
    "dicts": TABLE.to_dicts,
}


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_rows_come_from_they_are_the_same_version(data: DataService, source: str, part_rows: int) -> None:
    data.commit("d", TABLE, key=["id"])
    assert data.commit("d", SOURCES[source]()).number == 1


@pytest.mark.parametrize("source", ["lazy", "arrow reader", "duckdb", "cursor"])
def test_a_stream_is_appended(data: DataService, source: str, part_rows: int) -> None:
    data.commit("d", TABLE.with_columns(pl.col("id") - 50), key=["id"])
    assert data.read(data.commit("d", SOURCES[source](), append=True)).height == 100


def test_a_key_that_repeats_in_a_stream_is_found(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    twice = pl.concat([TABLE, TABLE.slice(3, 1)])
    with pytest.raises(DataError, match="duplicate key in dataset 'd': id=3"):
        data.commit("d", twice.lazy(), key=["id"])


def test_a_key_that_is_there_already_is_found_in_a_stream(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    data.commit("d", TABLE, key=["id"])
    with pytest.raises(DataError, match="duplicate key"):
        data.commit("d", TABLE.with_columns(pl.col("id") + 49).lazy(), append=True)


def test_a_null_key_is_found_in_a_stream(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    with pytest.raises(DataError, match="nulls"):
        data.commit("d", TABLE.lazy(), key=["x"])


def test_the_watermark_of_a_stream_is_its_newest_event(data: DataService, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    timed = TABLE.with_columns(at=pl.datetime(2013, 1, 1) + pl.duration(hours=pl.col("id")))
    whole = data.commit("a", timed, event_time="at")
    streamed = data.commit("b", timed.lazy(), event_time="at")
    assert (streamed.watermark, streamed.logical) == (whole.watermark, whole.logical)


def test_a_cursor_without_a_query_is_told(data: DataService) -> None:
    with pytest.raises(DataError, match="no rows to give"):
        data.commit("d", sqlite3.connect(":memory:").cursor())


def test_a_short_stream_is_a_table() -> None:
    assert isinstance(streams.taken(TABLE.lazy()), pl.DataFrame)


WRITE: dict[str, Any] = {
    "t.csv": TABLE.write_csv,
    "t.tsv": lambda path: TABLE.write_csv(path, separator="\t"),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(TABLE.write_csv().encode())),
    "t.csv.zst": lambda path: _zstd(path, TABLE.write_csv().encode()),
    "t.jsonl": TABLE.write_ndjson,
    "t.ndjson.gz": lambda path: path.write_bytes(gzip.compress(TABLE.write_ndjson().encode())),
    "t.jsonl.zst": lambda path: _zstd(path, TABLE.write_ndjson().encode()),
    "t.parquet": TABLE.write_parquet,
    "t.arrow": TABLE.write_ipc,
}


def _zstd(path: Path, data: bytes) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(data)


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["stream", "at once"])
def test_a_file_is_the_same_table_however_large(
    data: DataService, name: str, limit: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(streams, "LARGE_FILE", limit)
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    data.commit("d", TABLE, key=["id"])
    WRITE[name](tmp_path / name)
    assert data.commit("d", tmp_path / name).number == 1


def test_a_large_file_that_breaks_off_is_told(data: DataService, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(streams, "LARGE_FILE", 0)
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(DataError, match="cannot be read"):
        data.commit("d", tmp_path / "t.parquet")


cells = st.sampled_from(
    ["1", "-2", "007", "1.5", "1e3", "true", "false", "NA", "?", "nan", "", "x", "2013-01-02", "2013-01-02 03:04:05"]
)


@pytest.mark.soak
@settings(max_examples=repeat(150, 5000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1, max_size=6)),
)
def test_types_from_a_stream_are_those_of_the_whole_file(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    path = tmp_path / "t.csv"
    names = [f"c{at}" for at in range(len(rows[0]))]
    path.write_text("\n".join(",".join(row) for row in [names, *rows] if any(row) or len(row) > 1) + "\n")
    whole = files.read_table_file(path)
    assert csv_types.scan(path, ",").collect().equals(whole)


def test_an_incoming_stream_is_a_table_when_it_has_to_be() -> None:
    assert Incoming.of(TABLE).table().equals(TABLE)


@pytest.mark.parametrize("append", [True, False])
def test_a_stream_survives_a_head_that_moves_meanwhile(data: DataService, append: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 7)
    data.commit("d", TABLE.head(3), key=["id"])

    class Moving:
        """A stream during which somebody else commits."""

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            def batches() -> Any:
                yield from TABLE.slice(10, 30).to_arrow().to_batches(max_chunksize=10)
                data.commit("d", TABLE.slice(3, 2), append=True)

            schema = TABLE.to_arrow().schema
            return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__()

    version = data.commit("d", Moving(), append=append)
    expected = pl.concat([TABLE.head(5), TABLE.slice(10, 30)]) if append else TABLE.slice(10, 30)
    assert (version.number, data.read(version).rows()) == (3, expected.rows())
    assert version.logical == data.commit("other", expected, key=["id"]).logical
    assert data.verify().damaged == []
