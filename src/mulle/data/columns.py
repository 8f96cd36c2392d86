"""Columns as the store keeps them: any table in, a Polars frame of plain types out, and the names of those types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIMPLE: dict[type[pl.DataType], str] = {
    pl.String: "str",
    pl.Boolean: "bool",
    pl.Date: "date",
    pl.Time: "time",
    pl.Binary: "bytes",
    pl.Null: "null",
}


def type_name(dtype: pl.DataType) -> str:
    """The name of a column's type in manifests, such as int64, float64, str, datetime[us,UTC] or list[str]."""
    if isinstance(dtype, pl.Datetime):
        return f"datetime[{dtype.time_unit},{dtype.time_zone}]" if dtype.time_zone else f"datetime[{dtype.time_unit}]"
    if isinstance(dtype, pl.Duration):
        return f"duration[{dtype.time_unit}]"
    if isinstance(dtype, pl.List):
        return f"list[{type_name(_instance(dtype.inner))}]"
    if isinstance(dtype, pl.Struct):
        return f"struct[{','.join(f'{field.name}:{type_name(_instance(field.dtype))}' for field in dtype.fields)}]"
    return _SIMPLE.get(type(dtype)) or str(dtype).lower()


def _instance(dtype: Any) -> pl.DataType:
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made


def schema_of(table: pl.DataFrame) -> list[tuple[str, str]]:
    """The columns of a table and their types' names, in order."""
    return [(name, type_name(dtype)) for name, dtype in table.schema.items()]


def table_from(data: Any) -> pl.DataFrame:
    """A Polars frame from a Polars, Arrow or pandas table, a list of dicts or a dict of columns.

    Categories become text; instants with a zone become UTC.

    Raises:
        DataError: it is none of these.
    """
    return plain(_frame(data))


def _frame(data: Any) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    kind = f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
    try:
        if kind == "pandas.DataFrame":
            return pl.from_pandas(data)
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return pl.DataFrame(data)
        if isinstance(data, dict) or (isinstance(data, list) and all(isinstance(row, dict) for row in data)):
            return pl.DataFrame(data, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ImportError, TypeError, ValueError) as error:
        raise DataError(f"a {kind} could not be read as a table", cause=str(error), cure="mend its columns") from error
    raise DataError(
        f"a {kind} is not a table",
        cause="a table is a Polars, Arrow or pandas table, a list of dicts or a dict of columns",
        cure="convert it, for example with polars.DataFrame(…)",
    )


def plain(table: pl.DataFrame) -> pl.DataFrame:
    """The table with categories as text and zoned instants in UTC."""
    casts: list[pl.Expr] = []
    for name, dtype in table.schema.items():
        if isinstance(dtype, pl.Categorical | pl.Enum):
            casts.append(pl.col(name).cast(pl.String))
        elif isinstance(dtype, pl.Datetime) and dtype.time_zone not in {None, "UTC"}:
            casts.append(pl.col(name).dt.convert_time_zone("UTC"))
    return table.with_columns(casts) if casts else table


def with_event_time(table: pl.DataFrame, event_time: str, what: str) -> pl.DataFrame:
    """The table with its event-time column as an instant in UTC; a date is its midnight, ISO 8601 text is parsed.

    Raises:
        DataError: there is no such column, or it is no time.
    """
    if event_time not in table.columns:
        raise DataError(
            f"{what} has no column '{event_time}'",
            cause=f"it is the event time; the columns are {', '.join(table.columns[:12])}",
            cure="name the right column as event_time=…",
        )
    dtype = table.schema[event_time]
    column = pl.col(event_time)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone == "UTC" and dtype.time_unit == "us":
            return table
        zoned = column if dtype.time_zone else column.dt.replace_time_zone("UTC")
        return table.with_columns(zoned.cast(pl.Datetime("us", "UTC")))
    if isinstance(dtype, pl.Date):
        return table.with_columns(column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if isinstance(dtype, pl.Null):
        return table.with_columns(column.cast(pl.Datetime("us", "UTC")))
    if isinstance(dtype, pl.String):
        try:
            return table.with_columns(column.str.to_datetime(time_unit="us", time_zone="UTC"))
        except pl.exceptions.PolarsError:
            cause: str | None = "its text is not ISO 8601"
    else:
        cause = f"it holds {type_name(dtype)}"
    raise DataError(f"column '{event_time}' of {what} is not a time", cause=cause, cure="convert it to a datetime")


def duplicate_keys(table: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The keys that more than one row has (a few of them)."""
    repeated = table.select(key).is_duplicated()
    return table.select(key).filter(repeated).unique(maintain_order=True).head(3)
