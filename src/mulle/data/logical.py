"""The logical digest of a table: its schema and its rows in order, however they are cut into parts.

Rows are taken in blocks of 1,024. `chain` after block k is BLAKE3(chain before + canonical bytes of block k); the
digest is BLAKE3(schema + chain + canonical bytes of the rows after the last whole block + number of rows). So an
append needs only the rows after the last whole block. The canonical bytes are specified in
docs/en/reference/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl

from mulle.data.columns import schema_of
from mulle.hashing import digest_bytes, to_raw
from mulle.types import Digest

Cutter = Callable[[int, int], list[bytes]]
"""The canonical bytes of a column's rows [low, high)."""

BLOCK = 1024
_SALT = b"mulle-rows-1"


class Chain(msgspec.Struct, frozen=True):
    """How far the digest of a table has come: the rows in whole blocks, and the chained digest of those."""

    rows: int
    digest: Digest


EMPTY = Chain(0, digest_bytes(_SALT))


def extend(chain: Chain, table: pl.DataFrame) -> tuple[Digest, Chain]:
    """The logical digest of the rows in `chain` followed by those of `table`, and the new chain.

    Args:
        chain: the whole blocks so far.
        table: every row after them, in order, with the types of the whole.
    """
    columns = _cutters(table)
    whole = table.height // BLOCK
    link = chain.digest
    for block in range(whole):
        link = digest_bytes(to_raw(link) + _block(columns, block * BLOCK, (block + 1) * BLOCK))
    rest = _block(columns, whole * BLOCK, table.height) if table.height % BLOCK else b""
    total = chain.rows + table.height
    head = msgspec.json.encode([schema_of(table), total])
    reached = Chain(chain.rows + whole * BLOCK, link)
    return digest_bytes(b"".join([len(head).to_bytes(8, "little"), head, to_raw(link), rest])), reached


class Digester:
    """The logical digest of rows that come in pieces, after those of a chain and `before`, the rows that follow it."""

    def __init__(self, chain: Chain = EMPTY, before: pl.DataFrame | None = None) -> None:
        self.chain = chain
        self.digest = EMPTY.digest
        self._rest = before

    def add(self, piece: pl.DataFrame) -> None:
        """Take the rows; `digest` is that of all rows so far, `chain` how far whole blocks reach."""
        rows = piece if self._rest is None else pl.concat([self._rest, piece])
        self.digest, self.chain = extend(self.chain, rows)
        left = rows.height % BLOCK
        self._rest = rows.tail(left).rechunk() if left else None


def _block(columns: list[Cutter], low: int, high: int) -> bytes:
    return b"".join(piece for column in columns for piece in column(low, high))


def _cutters(table: pl.DataFrame) -> list[Cutter]:
    """For each column a function that gives the canonical bytes of its rows: a null mask, then the values."""
    filled = table.select(_filled(name, dtype) for name, dtype in table.schema.items()).get_columns()
    return [_cutter(column, values) for column, values in zip(table.get_columns(), filled, strict=True)]


def _filled(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column's values with nulls as zero or empty; time and truth as integers."""
    column = pl.col(name)
    if isinstance(dtype, pl.String | pl.Binary):
        return column.fill_null(pl.lit("", pl.String) if isinstance(dtype, pl.String) else pl.lit(b"", pl.Binary))
    if isinstance(dtype, pl.Boolean):
        return column.cast(pl.UInt8).fill_null(0)
    if dtype.is_temporal():
        return column.to_physical().fill_null(0)
    if dtype.is_numeric() and not dtype.is_decimal():
        return column.fill_null(0)
    return column


def _cutter(column: pl.Series, values: pl.Series) -> Cutter:
    nulls: np.ndarray[Any, np.dtype[np.bool_]] | None = column.is_null().to_numpy() if column.null_count() else None
    pieces = _pieces(values)

    def cut(low: int, high: int) -> list[bytes]:
        if nulls is None or not nulls[low:high].any():
            return [b"\0", *pieces(low, high)]
        return [b"\1", np.packbits(nulls[low:high], bitorder="little").tobytes(), *pieces(low, high)]

    return cut


def _pieces(values: pl.Series) -> Cutter:
    dtype = values.dtype
    if isinstance(dtype, pl.String | pl.Binary):
        return _texts(values)
    if isinstance(dtype, pl.Null):
        return lambda low, high: []  # noqa: ARG005 - the mask says it all
    if dtype.is_numeric() and not dtype.is_decimal():
        array = np.ascontiguousarray(values.to_numpy())
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return lambda low, high: [little[low:high].tobytes()]
    listed = values.to_list()
    return lambda low, high: [_sized(msgspec.json.encode(listed[low:high], enc_hook=str))]


def _texts(values: pl.Series) -> Cutter:
    arrow = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets_buffer, data = arrow.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[arrow.offset : arrow.offset + len(arrow) + 1]
    raw = memoryview(data) if data is not None else memoryview(b"")
    lengths = np.diff(offsets).astype("<u4")

    def cut(low: int, high: int) -> list[bytes]:
        return [lengths[low:high].tobytes(), bytes(raw[offsets[low] : offsets[high]])]

    return cut


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data
