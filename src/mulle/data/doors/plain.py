"""The plain doors: a folder of files, a Parquet file, a CSV file with its types beside it.

What goes out through one of them and comes in again has the same logical digest: types that the form does not have
travel as an Arrow schema, in the Parquet file's metadata or in a CSV on the Web description next to the CSV file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from mulle.data.columns import type_name
from mulle.data.doors import typed
from mulle.errors import DataError

_METADATA = "mulle"
_DESCRIPTION = "-metadata.json"
_CSVW = "http://www.w3.org/ns/csvw"


class About(msgspec.Struct, frozen=True):
    """What a table's rows do not say: their key, their event time, their types, and what they are a copy of."""

    schema: str
    key: list[str] = []
    event_time: str | None = None
    ref: str = ""
    logical: str = ""


def replaced(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place, then put it there: nobody sees half of it.

    Raises:
        DataError: a folder is there.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", cause="a file is to be written there", cure="name a file, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_parquet(table: pl.DataFrame, about: About, path: Path) -> None:
    """A Parquet file, zstd-compressed, that any reader of Parquet reads."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    arrow = table.to_arrow()
    told = {**(arrow.schema.metadata or {}), _METADATA.encode(): msgspec.json.encode(about)}
    replaced(path, lambda file: pq.write_table(arrow.replace_schema_metadata(told), file, compression="zstd"))


def read_parquet(path: Path) -> tuple[pl.DataFrame, About | None]:
    """The rows of a Parquet file, and what was told with them, where mulle wrote it.

    Raises:
        DataError: it is missing or no Parquet file.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time

    try:
        metadata = pq.read_metadata(path).metadata or {}
        table = pl.read_parquet(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read", cause=str(error).partition("\n")[0], cure="check the path") from error
    about = _about(metadata.get(_METADATA.encode()))
    return (table if about is None else typed.restored(table, typed.schema_from(about.schema))), about


def _about(data: bytes | str | None) -> About | None:
    try:
        return None if data is None else msgspec.json.decode(data, type=About)
    except msgspec.MsgspecError:
        return None


def write_csv(table: pl.DataFrame, about: About, path: Path) -> None:
    """A CSV file (a null is empty, empty text is `""`), and beside it what its columns are.

    Raises:
        DataError: a column holds what text cannot.
    """
    text = table.select(_as_text(name, dtype) for name, dtype in table.schema.items())
    replaced(path, lambda file: text.write_csv(file, quote_style="necessary"))
    description = {
        "@context": _CSVW,
        "url": path.name,
        "tableSchema": {
            "columns": [{"name": name, "datatype": _csvw(dtype)} for name, dtype in table.schema.items()],
            **({"primaryKey": about.key} if about.key else {}),
        },
        _METADATA: msgspec.to_builtins(about),
    }
    beside = path.with_name(path.name + _DESCRIPTION)
    replaced(beside, lambda file: _write(file, json.dumps(description, indent=1)))


def _write(file: Path, text: str) -> None:
    file.write_text(text + "\n", "utf-8")


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_nested() or isinstance(dtype, pl.Binary):
        raise DataError(
            f"column '{name}' cannot go into a CSV file",
            cause=f"it holds {type_name(dtype)}, for which CSV has no form",
            cure="export to Parquet: --to parquet",
        )
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    if isinstance(dtype, pl.Time | pl.Duration):
        return column.to_physical()
    return column.cast(pl.String) if isinstance(dtype, pl.Decimal | pl.Null) else column


def _csvw(dtype: pl.DataType) -> str:
    """The nearest datatype of CSV on the Web."""
    if dtype.is_integer() or isinstance(dtype, pl.Time | pl.Duration):
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    names: dict[Any, str] = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime"}
    return names.get(dtype.base_type(), "string")


def read_csv(path: Path) -> tuple[pl.DataFrame, About | None]:
    """The rows of a CSV file that lies beside its description; None in place of it where there is none.

    Raises:
        DataError: it does not hold what the description says.
    """
    beside = path.with_name(path.name + _DESCRIPTION)
    if not beside.is_file():
        return pl.DataFrame(), None
    about = _about(json.dumps(json.loads(beside.read_text("utf-8")).get(_METADATA)))
    if about is None:
        return pl.DataFrame(), None
    try:
        text = pl.read_csv(path, infer_schema=False, empty_string_is_null=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read", cause=str(error).partition("\n")[0], cure="check the path") from error
    schema = typed.schema_from(about.schema)
    table = typed.restored(text, schema)
    if table.schema != schema:
        raise DataError(
            f"{path} does not hold what {beside.name} says",
            cause="it was changed since it was exported",
            cure=f"rm '{beside}' to have its types inferred anew",
        )
    return table, about
