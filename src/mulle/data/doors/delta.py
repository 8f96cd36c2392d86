"""The door to Delta Lake: a version as a Delta table, and back with the same logical digest.

Exporting another version to the same place makes it the table's next Delta version, so the table's readers travel in
time too. Needs the package `deltalake`: `pip install mulle[delta]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from mulle.data.doors import typed
from mulle.data.doors.plain import About
from mulle.errors import DataError

_TOLD = "mulle"
_WIDER: dict[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Decimal(20, 0),
    pl.Null: pl.String(),
}
_ONE_FILE = 1 << 62


def write(table: pl.DataFrame, about: About, path: Path) -> None:
    """Make the table the newest version of the Delta table at `path`, which is made where it is not there.

    Raises:
        DataError: a column holds what a Delta table cannot, or something else is there.
    """
    delta = _library()
    if path.exists() and not delta.DeltaTable.is_deltatable(str(path)) and (path.is_file() or any(path.iterdir())):
        raise DataError(f"{path} is no Delta table", cause="something else is there", cure="name an empty folder")
    fitting = table.select(_fitting(table[name]) for name in table.columns)
    try:
        delta.write_deltalake(
            str(path),
            fitting.rechunk().to_arrow(),  # chunks are written by several threads, in no order
            mode="overwrite",
            schema_mode="overwrite",
            target_file_size=_ONE_FILE,  # rows keep their order within a file only
            commit_properties=delta.CommitProperties(custom_metadata={_TOLD: msgspec.json.encode(about).decode()}),
        )
    except (delta.exceptions.DeltaError, ValueError, TypeError) as error:
        raise DataError(f"the Delta table {path} cannot be written", cause=str(error), cure="--to parquet") from error


def _fitting(column: pl.Series) -> pl.Series:
    """The column in a type that Delta has."""
    dtype = column.dtype
    if type(dtype) in _WIDER:
        return column.cast(_WIDER[type(dtype)])
    if isinstance(dtype, pl.Time | pl.Duration):
        return column.to_physical()
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "us":
        made = column.dt.cast_time_unit("us")
        if not made.dt.cast_time_unit(dtype.time_unit).equals(column, null_equal=True):
            raise DataError(
                f"column '{column.name}' cannot go into a Delta table",
                cause="it has nanoseconds, and Delta has microseconds",
                cure="export to Parquet: --to parquet",
            )
        return made
    return column


def read(path: Path) -> tuple[pl.DataFrame, About | None]:
    """The rows of the newest version of a Delta table, and what mulle told with them where it wrote them.

    Raises:
        DataError: it is no Delta table, or has what cannot be read.
    """
    delta = _library()
    try:
        found = delta.DeltaTable(str(path))
        frame: Any = pl.from_arrow(found.to_pyarrow_table())
        newest = found.history(1)[0]
    except (delta.exceptions.DeltaError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a Delta table", cause=str(error), cure="check the path") from error
    table: pl.DataFrame = frame
    try:
        about = msgspec.json.decode(newest.get(_TOLD, ""), type=About)
    except msgspec.MsgspecError:
        return table, None
    return typed.restored(table, typed.schema_from(about.schema)), about


def _library() -> Any:
    try:
        import deltalake  # noqa: PLC0415 - optional
        import deltalake.exceptions  # noqa: PLC0415 - optional
    except ImportError as error:
        raise DataError(
            "Delta tables need the package deltalake", cause=str(error), cure="pip install 'mulle[delta]'"
        ) from error
    return deltalake
