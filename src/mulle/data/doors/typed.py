"""Types that a form of exchange does not have: told beside the data as an Arrow schema, given back on the way in."""

from __future__ import annotations

import base64
from typing import Any

import polars as pl

from mulle.errors import DataError


def schema_text(table: pl.DataFrame) -> str:
    """The columns and their types as text."""
    return base64.b64encode(table.head(0).to_arrow().schema.serialize().to_pybytes()).decode()


def schema_from(text: str) -> pl.Schema:
    """The columns and types that `schema_text` told.

    Raises:
        DataError: it is no such text.
    """
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    try:
        empty: Any = pl.from_arrow(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).empty_table())
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(
            "the schema beside the data cannot be read", cause=str(error), cure="export it again"
        ) from error
    schema: pl.Schema = empty.schema
    return schema


def restored(table: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The table with the types it had, where its columns are still those; else as it is."""
    if table.columns != list(schema):
        return table
    try:
        return table.select(_restore(name, table.schema[name], dtype) for name, dtype in schema.items())
    except pl.exceptions.PolarsError:
        return table  # it was changed since, in a way that its former types do not hold


def _restore(name: str, now: pl.DataType, was: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if now == was:
        return column
    if isinstance(was, pl.Datetime):
        return _instant(column, now, was)
    if now == pl.String and isinstance(was, pl.Boolean):
        return pl.when(column.is_not_null()).then(column == "true").alias(name)
    if now == pl.String and isinstance(was, pl.Date):
        return column.str.to_date("%Y-%m-%d")
    return (column.cast(pl.Int64) if isinstance(was, pl.Time | pl.Duration) else column).cast(was)


def _instant(column: pl.Expr, now: pl.DataType, was: pl.Datetime) -> pl.Expr:
    if now == pl.String:
        column = column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit=was.time_unit)
    if was.time_zone and not (isinstance(now, pl.Datetime) and now.time_zone):
        column = column.dt.replace_time_zone("UTC")
    return column.cast(was)
