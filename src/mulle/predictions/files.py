"""Prediction files: Parquet whose names say which instants and ids they hold, so that a look-up opens few of them.

    <low>_<high>_<first id>_<last id>_<source>.parquet

`low` and `high` are microseconds since 1970 of the first and last answer; `source` is the spool segment it came from,
so that compacting a segment again replaces the same file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl
from polars import selectors

from mulle.errors import StoreError
from mulle.predictions.frames import Batch, microseconds

INPUT, OUTPUT = "in.", "out."
_NAME = re.compile(r"^(\d{16})_(\d{16})_([^_]+)_([^_]+)_(.+)\.parquet$")
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


def parsed(directory: Path, name: str) -> LogFile | None:
    """What a file's name says; None for a file that holds no predictions."""
    match = _NAME.match(name)
    if match is None:
        return None
    low, high, first, last, source = match.groups()
    return LogFile(directory / name, int(low), int(high), first, last, source)


def named(directory: Path, table: pl.DataFrame, source: str) -> LogFile:
    """The file that would hold a table of answers."""
    at, ids = table.get_column("at"), table.get_column("id")
    low, high = microseconds(cast("datetime", at.min())), microseconds(cast("datetime", at.max()))
    first, last = str(ids.min()), str(ids.max())
    name = f"{low:016d}_{high:016d}_{first}_{last}_{source}.parquet"
    return LogFile(directory / name, low, high, first, last, source)


def write(one: LogFile, table: pl.DataFrame, *, durable: bool = True) -> None:
    """Write answers as one file; the file appears whole or not at all."""
    directory, name = one.path.parent, one.path.name
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
    alike = all(frame.schema == frames[0].schema for frame in frames[1:])
    return pl.concat(frames, how="vertical" if alike else "diagonal_relaxed", rechunk=False)


def where(table: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The chosen rows; most often that is all of them, which costs nothing."""
    return table if chosen.all() else table.filter(chosen)


def once(table: pl.DataFrame) -> pl.DataFrame:
    """Each answer once, by time and id. Ids grow with time, so that a table which is so already is quickly seen."""
    ids = table.get_column("id")
    if ids.is_sorted() and table.get_column("at").is_sorted() and ids.n_unique() == len(ids):
        return table
    return table.unique(subset="id", keep="first").sort("at", "id")


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
