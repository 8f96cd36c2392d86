"""One part of a table: rows to Parquet bytes and back, and what its rows span.

A part is a Parquet object, or a patch (`mulle.data.patches`): readers need not know which.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data import patches
from mulle.data.manifest import Bound, Entry, Recent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.store import ObjectStore
    from mulle.types import Digest

DECODED_BYTES = 256 << 20
"""How many bytes of decoded parts a process keeps at most."""

PART_ROWS = 1 << 20
"""A commit of more rows than this is cut into several parts."""

PART_BYTES = 256 << 20
"""So is one whose rows take more memory than this."""

SMALL = 1 << 20
"""Parts up to this length are decoded by one thread: more cost more than they save."""

LARGE = DECODED_BYTES // 16
"""Of longer parts only the columns that are asked for are decoded."""

MANY_ROWS = 1 << 16
"""Parts of more rows than this have statistics by row group, so that a filter skips groups."""

GROUP_ROWS = 1 << 17

SAMPLE = 1 << 13
FEW_VALUES = 4
"""Of so many rows, a column with fewer than a quarter as many values gets a dictionary."""

LONGEST_BOUND = 64

_decoded = Recent(DECODED_BYTES)
_patches = Recent(8 << 20)


def write(store: ObjectStore, table: pl.DataFrame, event_time: str | None, key: Sequence[str]) -> Entry:
    """Store the rows as one part. The same rows give the same bytes."""
    data = encode(table)
    digest = store.put(data)
    _decoded.get(digest, lambda: table, _weight)
    return Entry(digest, table.height, len(data), *span(table, event_time, key))


def cut(table: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows in slices that are not too large for a part."""
    if table.height <= PART_ROWS and table.estimated_size() <= PART_BYTES:
        return [table]
    return list(table.iter_slices(rows_a_part(table)))


def rows_a_part(table: pl.DataFrame) -> int:
    """How many rows like these make a part."""
    fit = PART_BYTES * table.height // max(int(table.estimated_size()), 1)
    return min(PART_ROWS, max(1024, fit))


def forget() -> None:
    """Drop the decoded parts that this process keeps."""
    _decoded.clear()
    _patches.clear()


def encode(table: pl.DataFrame) -> bytes:
    """Parquet with zstd and content-defined chunking."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time: reading needs no pyarrow
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    sink = pa.BufferOutputStream()
    pq.write_table(
        table.to_arrow(),
        sink,
        compression="zstd",
        use_content_defined_chunking=True,
        use_dictionary=_repeating(table) if table.height > SAMPLE else True,
        write_statistics=table.height > MANY_ROWS,
        row_group_size=GROUP_ROWS,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _repeating(table: pl.DataFrame) -> list[str]:
    """The columns that have few values: only these are worth a dictionary, which takes most of the time of encoding."""
    sample = table.slice(table.height // 2, SAMPLE)
    return [
        column.name
        for column in sample.get_columns()
        if not column.dtype.is_nested() and column.n_unique() * FEW_VALUES < sample.height
    ]


def read(
    store: ObjectStore, entry: Entry, columns: Sequence[str] | None = None, where: pl.Expr | None = None
) -> pl.DataFrame:
    """The rows of a part, those for which `where` holds, from the process's cache where they are there.

    Of a large part only what is asked for is decoded: the columns, and the row groups that the filter can meet. A store
    may say which part is to be read `instead` of one.
    """
    instead: dict[str, Entry] | None = getattr(store, "instead", None)
    if instead is not None:
        entry = instead.get(entry.digest, entry)
    if entry.bytes > LARGE:
        patch = find_patch(store, entry)
        if patch is not None:
            return _chosen(_patched(store, patch, needed_by(columns, where)), columns, where)
        if columns is not None or where is not None:
            return _scanned(store, entry, columns, where)
    return _chosen(_decoded.get(entry.digest, lambda: _read_whole(store, entry), _weight), columns, where)


def needed_by(columns: Sequence[str] | None, where: pl.Expr | None) -> Sequence[str] | None:
    """The columns to decode so that a filter can be applied too; None is all."""
    if columns is None or where is None:
        return columns
    if where.meta.has_multiple_outputs():
        return None
    return [*columns, *(name for name in where.meta.root_names() if name not in columns)]


def _chosen(table: pl.DataFrame, columns: Sequence[str] | None, where: pl.Expr | None) -> pl.DataFrame:
    if where is not None:
        table = table.lazy().filter(where).collect()
    return table if columns is None else table[list(columns)]


def find_patch(store: ObjectStore, entry: Entry) -> patches.Patch | None:
    """The patch that a part is; None where it is a Parquet object.

    An entry's `bytes` are those of all objects that the part needs, so a patch itself is shorter than that.
    """
    return _patches.get(entry.digest, lambda: _find_patch(store, entry), _patch_weight)


def pieces(store: ObjectStore, entry: Entry) -> list[tuple[Digest, int]]:
    """The objects besides its own that a part needs, with their lengths: the sources of a patch."""
    patch = find_patch(store, entry)
    return [] if patch is None else [(piece.digest, piece.bytes) for piece in patch.sources]


def _find_patch(store: ObjectStore, entry: Entry) -> patches.Patch | None:
    if store.size(entry.digest) == entry.bytes:
        return None
    return patches.decode(store.get(entry.digest))


def _patch_weight(patch: patches.Patch | None) -> int:
    return 512 if patch is None else 2048 + 2 * len(patch.runs)


def _read_whole(store: ObjectStore, entry: Entry) -> pl.DataFrame:
    data = store.get(entry.digest)
    return _patched(store, patches.decode(data), None) if patches.is_patch(data) else decode(data)


def _patched(store: ObjectStore, patch: patches.Patch, columns: Sequence[str] | None) -> pl.DataFrame:
    """The rows of a patch; a large source is decoded for this alone, so that its memory becomes that of the rows."""
    frames: list[pl.DataFrame] = []
    for each in patch.sources:
        if each.bytes > LARGE:
            frames.append(pl.read_parquet(store.path(each.digest), columns=None if columns is None else list(columns)))
        else:
            frames.append(read(store, Entry(each.digest, each.rows, each.bytes), columns))
    return patches.put_together(frames, patches.unpacked(patch.runs))


def _scanned(store: ObjectStore, entry: Entry, columns: Sequence[str] | None, where: pl.Expr | None) -> pl.DataFrame:
    rows = pl.scan_parquet(store.path(entry.digest))
    rows = rows if where is None else rows.filter(where)
    return (rows if columns is None else rows.select(columns)).collect()


def decode(data: bytes) -> pl.DataFrame:
    """The rows of Parquet bytes that `encode` made."""
    return pl.read_parquet(io.BytesIO(data), parallel="none" if len(data) < SMALL else "auto")


def _weight(table: pl.DataFrame) -> int:
    return int(table.estimated_size()) + 4096


def span(
    table: pl.DataFrame, event_time: str | None, key: Sequence[str]
) -> tuple[int | None, int | None, Bound, Bound]:
    """The smallest and largest event time, and the smallest and largest value of the first key column, if known."""
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
