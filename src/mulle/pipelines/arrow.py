"""Tables as Arrow IPC files: equal tables give equal bytes, and reading maps the file instead of copying it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from pathlib import Path


def encode(table: pl.DataFrame) -> bytes:
    """The table as an uncompressed Arrow IPC file of one record batch."""
    buffer = io.BytesIO()
    write(canonical(table), buffer)
    return buffer.getvalue()


def canonical(table: pl.DataFrame) -> pa.RecordBatch:
    """The table as one record batch, with nothing in its buffers but its values; numbers are not copied."""
    arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
    arrays = [_canonical(_whole(column)) for column in arrow.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow.schema)


def write(batch: pa.RecordBatch, sink: Any) -> None:
    """Write a record batch as an uncompressed Arrow IPC file, to whatever has `write`."""
    with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), batch.schema) as writer:
        writer.write_batch(batch)


def decode(path: Path) -> pl.DataFrame:
    """The table of such a file; numbers stay in the mapped file."""
    with pa.memory_map(str(path)) as source:
        found = pl.from_arrow(pa.ipc.open_file(source).read_all())
    assert isinstance(found, pl.DataFrame)
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _canonical(array: pa.Array) -> pa.Array:
    """The array with nothing but its values in it: what lies under nulls and beyond the end becomes zero.

    Taking every element in order makes fresh, zeroed buffers; plain arrays without nulls need no copy.
    """
    if array.null_count == 0 and (pa.types.is_primitive(array.type) or pa.types.is_large_string(array.type)):
        return array if not pa.types.is_boolean(array.type) else array.take(_order(len(array)))
    return array.take(_order(len(array)))


def _order(length: int) -> pa.Array:
    numbers = np.arange(length, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), length, [None, pa.py_buffer(numbers)])  # pa.array would import pandas: 1 s
