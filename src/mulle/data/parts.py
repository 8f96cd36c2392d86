"""One part of a table: rows to Parquet bytes and back, and what its rows span."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.manifest import Bound, Entry, Recent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.store import ObjectStore

DECODED_BYTES = 256 << 20
"""How many bytes of decoded parts a process keeps at most."""

PART_ROWS = 1 << 20
"""A commit of more rows than this is cut into several parts."""

SMALL = 1 << 20
"""Parts up to this length are decoded by one thread: more cost more than they save."""

LONGEST_BOUND = 64

_decoded = Recent(DECODED_BYTES)


def write(store: ObjectStore, table: pl.DataFrame, event_time: str | None, key: Sequence[str]) -> Entry:
    """Store the rows as one part. The same rows give the same bytes."""
    data = encode(table)
    digest = store.put(data)
    low, high, first, last = _span(table, event_time, key)
    _decoded.get(digest, lambda: table, _weight)
    return Entry(digest, table.height, len(data), low, high, first, last)


def forget() -> None:
    """Drop the decoded parts that this process keeps."""
    _decoded.clear()


def encode(table: pl.DataFrame) -> bytes:
    """Parquet with zstd and content-defined chunking."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time: reading needs no pyarrow
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    sink = pa.BufferOutputStream()
    pq.write_table(
        table.to_arrow(), sink, compression="zstd", use_content_defined_chunking=True, write_statistics=False
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read(store: ObjectStore, entry: Entry, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a part, from the process's cache where they are there; a huge part is read by column instead."""
    if columns is not None and entry.bytes > DECODED_BYTES // 16:
        return pl.read_parquet(store.path(entry.digest), columns=list(columns))
    table = _decoded.get(entry.digest, lambda: decode(store.get(entry.digest)), _weight)
    return table if columns is None else table[list(columns)]


def decode(data: bytes) -> pl.DataFrame:
    """The rows of Parquet bytes that `encode` made."""
    return pl.read_parquet(io.BytesIO(data), parallel="none" if len(data) < SMALL else "auto")


def _weight(table: pl.DataFrame) -> int:
    return int(table.estimated_size()) + 4096


def _span(
    table: pl.DataFrame, event_time: str | None, key: Sequence[str]
) -> tuple[int | None, int | None, Bound, Bound]:
    wanted: list[pl.Expr] = []
    if event_time is not None:
        time = pl.col(event_time).to_physical()
        wanted += [time.min().alias("low"), time.max().alias("high")]
    bounded = bool(key) and (table.schema[key[0]].is_integer() or isinstance(table.schema[key[0]], pl.String))
    if bounded:
        wanted += [pl.col(key[0]).min().alias("first"), pl.col(key[0]).max().alias("last")]
    if not wanted:
        return None, None, None, None
    spans: dict[str, Any] = table.select(wanted).row(0, named=True)
    first, last = spans.get("first"), spans.get("last")
    if isinstance(first, str) and max(len(first), len(last or "")) > LONGEST_BOUND:
        first = last = None
    return spans.get("low"), spans.get("high"), first, last
