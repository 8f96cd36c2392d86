"""Rows that come as a stream: files larger than memory should hold, Arrow streams, lazy queries, database cursors.

A stream that ends within one part's length is a table like any other; longer ones stay streams.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data import csv_types, files
from mulle.data.columns import plain
from mulle.data.incoming import Incoming, in_parts
from mulle.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGE_FILE = 64 << 20
"""Files of more bytes are read as streams; compressed ones from a quarter of that on."""
BATCH = 1 << 17
CURSOR_ROWS = 1 << 15


def taken(data: Any) -> Any:
    """`data` itself where it is a table in memory; a stream as a table where it is short, else as Incoming.

    Streams are Polars lazy queries, anything with `__arrow_c_stream__` that has no length (an Arrow reader, a DuckDB
    relation or result), and cursors of Python's database modules after `execute`.
    """
    if isinstance(data, pl.LazyFrame):
        return _short_or_stream(_collected(data), data.collect_schema())
    if isinstance(data, pl.DataFrame | pl.Series) or hasattr(data, "__len__"):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        return _arrow(data)
    if hasattr(data, "fetchmany") and hasattr(data, "description"):
        return _fetched(data)
    return data


def is_large(path: Path) -> bool:
    """Whether a table's file is better read as a stream."""
    packed = path.suffix.lower() in {".gz", ".zst"}
    return path.stat().st_size > (LARGE_FILE // 4 if packed else LARGE_FILE)


def of_file(path: Path) -> Incoming:
    """The rows of a large file, piece by piece.

    Raises:
        DataError: it cannot be read.
    """
    kind = files.kind_of(path)
    try:
        if kind in {"csv", "tsv"}:
            rows = csv_types.scan(path, "\t" if kind == "tsv" else ",")
        elif kind in {"jsonl", "ndjson"}:
            rows = pl.scan_ndjson(path, infer_schema_length=None)
        elif kind == "parquet":
            rows = pl.scan_parquet(path)
        else:
            rows = pl.scan_ipc(path)
        schema = rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise files.unreadable(path, error) from error
    return _plain(schema, _reading(path, _collected(rows)))


def _reading(path: Path, batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    try:
        yield from batches
    except (pl.exceptions.PolarsError, OSError) as error:
        raise files.unreadable(path, error) from error


def _collected(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    yield from rows.collect_batches(chunk_size=BATCH)


def _plain(schema: pl.Schema, batches: Iterable[pl.DataFrame]) -> Incoming:
    return Incoming(schema, in_parts(batches)).changed(plain)


def _short_or_stream(batches: Iterator[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame | Incoming:
    pieces = in_parts(batches)
    start = list(itertools.islice(pieces, 2))
    if len(start) > 1:
        return _plain(schema, itertools.chain(start, pieces))
    return start[0] if start else pl.DataFrame(schema=schema)


def _arrow(data: Any) -> pl.DataFrame | Incoming:
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    try:
        reader = pa.RecordBatchReader.from_stream(data)
        schema = pl.DataFrame(reader.schema.empty_table()).schema
        batches = (pl.DataFrame(pa.Table.from_batches([batch])) for batch in reader)
        return _short_or_stream(batches, schema)
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        kind = f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
        raise DataError(f"a {kind} could not be read as a table", cause=str(error), cure="mend its columns") from error


def _fetched(cursor: Any) -> pl.DataFrame | Incoming:
    """The rows of a cursor; the types are those of its first part's rows."""
    if cursor.description is None:
        raise DataError(
            "the cursor has no rows to give",
            cause="nothing was executed, or a statement that is no query",
            cure='cursor.execute("SELECT …") first',
        )
    names = [column[0] for column in cursor.description]
    rows = iter(lambda: cursor.fetchmany(CURSOR_ROWS), [])
    first: list[Any] = []
    limit = files.SAMPLE_ROWS
    for batch in rows:
        first += batch
        if len(first) >= limit:
            break
    try:
        start = pl.DataFrame([tuple(row) for row in first], schema=names, orient="row", infer_schema_length=None)
        rest = (_like(start.schema, batch) for batch in rows)
        return _short_or_stream(itertools.chain([start], rest), start.schema)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        cause = str(error).partition("\n")[0]
        raise DataError("the query's rows are not a table", cause=cause, cure="cast the column in the query") from error


def _like(schema: pl.Schema, rows: list[Any]) -> pl.DataFrame:
    try:
        return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row", strict=True)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(
            "a later row of the query does not have the types of the first ones",
            cause=str(error).partition("\n")[0],
            cure="cast the column in the query",
        ) from error
