"""Prediction files: Parquet whose names say which instants and ids they hold, so that a look-up opens few of them.

    <low>_<high>_<first id>_<last id>_<source>.parquet

`low` and `high` are microseconds since 1970 of the first and last answer; `source` is the spool segment it came from,
so that compacting a segment again replaces the same file.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars import selectors

from mulle.errors import StoreError
from mulle.predictions.frames import Batch

INPUT, OUTPUT = "in.", "out."
_NAME = re.compile(r"^(\d{16})_(\d{16})_([^_]+)_([^_]+)_(.+)\.parquet$")
_CACHE_BYTES = 64 << 20
_AT = pl.Datetime("us", "UTC")
_FIXED: dict[str, Any] = {
    "id": pl.String,
    "at": _AT,
    "deployment": pl.String,
    "revision": pl.Int64,
    "model": pl.String,
    "role": pl.String,
    "key": pl.String,
    "score": pl.Float64,
    "latency_us": pl.Int64,
}
FIXED = list(_FIXED)
"""The columns that every file has; the model's inputs follow as `in.<name>` and its outputs as `out.<name>`."""


class LogFile(msgspec.Struct, frozen=True):
    """A file and what its name says."""

    path: Path
    low: int
    high: int
    first: str
    last: str
    source: str


def listed(directory: Path) -> list[LogFile]:
    """The prediction files of a folder, by time."""
    try:
        names = sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        match = _NAME.match(name)
        if match is not None:
            low, high, first, last, source = match.groups()
            found.append(LogFile(directory / name, int(low), int(high), first, last, source))
    return found


def write(directory: Path, table: pl.DataFrame, source: str, *, durable: bool = True) -> Path:
    """Write answers as one file; the file appears whole or not at all."""
    bounds = table.select(
        low=pl.col("at").min().to_physical(),
        high=pl.col("at").max().to_physical(),
        first=pl.col("id").min(),
        last=pl.col("id").max(),
    ).row(0)
    name = f"{bounds[0]:016d}_{bounds[1]:016d}_{bounds[2]}_{bounds[3]}_{source}.parquet"
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{name[:33]}.{os.getpid()}.tmp"
    try:
        table.write_parquet(temporary, compression="lz4", statistics=False, metadata={"mulle": "predictions 1"})
        if durable:
            _sync(temporary)
        temporary.replace(directory / name)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            f"predictions cannot be written to {directory}",
            cause=error.strerror or str(error),
            cure=f"free space on the disk (df -h {directory}); what is in the spool stays there",
        ) from error
    if durable:
        _sync(directory)
    return directory / name


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def table_of(batches: Iterable[Batch]) -> pl.DataFrame:
    """Batches as one table, in their order; columns that some lack are null there."""
    frames = [_frame(batch) for batch in batches]
    return joined(frames)


def joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Tables below each other; a column that is missing in one, or of another kind there, is widened."""
    if not frames:
        return pl.DataFrame(schema=_FIXED)
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames, how="diagonal_relaxed")


def _frame(batch: Batch) -> pl.DataFrame:
    n = len(batch.ids)
    columns: dict[str, Any] = {
        "id": batch.ids,
        "at": pl.repeat(batch.at, n, dtype=pl.Int64, eager=True).cast(_AT),
        "deployment": [batch.deployment] * n,
        "revision": pl.repeat(batch.revision, n, dtype=pl.Int64, eager=True),
        "model": [batch.model] * n,
        "role": [batch.role] * n,
        "key": batch.keys,
        "score": pl.Series(batch.scores, dtype=pl.Float64, strict=False),
        "latency_us": batch.latency_us,
    }
    named = flat(batch.inputs, batch.outputs)
    found = pl.DataFrame({**columns, **{name: pl.Series(values, strict=False) for name, values in named.items()}})
    return found.with_columns(selectors.float().fill_nan(None))  # JSON has no NaN: a caller's null came in as one


def flat(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs and outputs under the names of their columns."""
    return {
        **{f"{INPUT}{name}": values for name, values in inputs.items()},
        **{f"{OUTPUT}{name}": values for name, values in outputs.items()},
    }


class FileCache:
    """Files as tables, the last used ones kept in memory. Files never change, so nothing grows stale."""

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit = limit
        self._used = 0
        self._tables: OrderedDict[Path, pl.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> pl.DataFrame:
        """The file's table."""
        with self._lock:
            table = self._tables.get(path)
            if table is not None:
                self._tables.move_to_end(path)
                return table
        table = pl.read_parquet(path, glob=False)
        self.put(path, table)
        return table

    def put(self, path: Path, table: pl.DataFrame) -> None:
        """Remember what was just written."""
        with self._lock:
            if path not in self._tables:
                self._used += int(table.estimated_size())
                self._tables[path] = table
                self._shrink()

    def _shrink(self) -> None:
        while self._used > self._limit and len(self._tables) > 1:
            _, dropped = self._tables.popitem(last=False)
            self._used -= int(dropped.estimated_size())
