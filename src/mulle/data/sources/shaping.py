"""Values as they come, text or Python's, into columns of the types they must have; and the rows where that fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.columns import type_name
from mulle.data.files import MISSING
from mulle.errors import SchemaSkewError
from mulle.stats.checks import kind_of

if TYPE_CHECKING:
    from mulle.data.definition import Dataset

DECLARED: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "str": pl.String(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
    "duration": pl.Duration("us"),
    "bytes": pl.Binary(),
}
_TRUE = {"true", "t", "yes", "y", "1"}
_FALSE = {"false", "f", "no", "n", "0"}
_EMPTY = {"", *MISSING}
_FORMATS = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]


_NAMED: dict[str, pl.DataType] = {
    **{name: DECLARED[name] for name in ("str", "bool", "date", "bytes")},
    **{f"{sign}int{bits}": getattr(pl, f"{sign.upper()}Int{bits}")() for bits in (8, 16, 32, 64) for sign in ("", "u")},
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "time": pl.Time(),
}


def type_named(name: str) -> pl.DataType | None:
    """The type that a manifest calls so; None of nested ones, which no text is read as."""
    family, _, inner = name.rstrip("]").partition("[")
    unit, _, zone = inner.partition(",")
    if family == "datetime":
        return pl.Datetime(unit, zone or None)  # type: ignore[arg-type]
    if family == "duration":
        return pl.Duration(unit)  # type: ignore[arg-type]
    return _NAMED.get(name)


def wanted(definition: Dataset, before: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The types that columns must have: those of the version before, else as declared; what is neither is inferred."""
    types = {name: dtype for name, dtype in before.items() if not isinstance(dtype, pl.Null)}
    if definition.expect is not None:
        for name, spec in definition.expect.columns().items():
            found = types.get(name)
            if spec.kind in DECLARED and (found is None or kind_of(found) != spec.kind):
                types[name] = DECLARED[spec.kind]
    if definition.event_time is not None:
        types[definition.event_time] = DECLARED["datetime"]
    return types


@dataclass(frozen=True)
class Shaped:
    """Columns of the right types, and per row why it does not fit ("" where it does)."""

    table: pl.DataFrame
    reasons: pl.Series

    @property
    def wrong(self) -> pl.Series:
        """The rows that do not fit."""
        return self.reasons != ""


def shaped(table: pl.DataFrame, types: Mapping[str, pl.DataType], what: str, alike: int) -> Shaped:
    """A table with its columns cast to the types they must have.

    Args:
        table: text, or whatever types a reader found.
        types: those wanted, by name; other columns stay as they are.
        what: the table, for the error.
        alike: from this many values on, a column of which every one is wrong has changed its type.

    Raises:
        SchemaSkewError: every value of a column is wrong.
    """
    reasons: list[pl.Series] = []
    columns: list[pl.Series] = []
    for column in table.get_columns():
        dtype = types.get(column.name)
        if dtype is None or column.dtype == dtype:
            columns.append(column)
            continue
        cast = _cast(column, dtype)
        wrong = cast.is_null() & column.is_not_null()
        if column.dtype == pl.String and dtype != pl.String:
            wrong = wrong & ~column.str.strip_chars().is_in(list(_EMPTY))
        if wrong.any():
            wider = _wider(column, dtype, wrong)
            if wider is not None:
                columns.append(wider)
                continue
            _refuse_changed(column, dtype, wrong, what, alike)
            reasons.append(_reason(column, dtype, wrong))
        columns.append(cast)
    told = pl.DataFrame(reasons) if reasons else None
    if told is None:
        return Shaped(pl.DataFrame(columns), pl.repeat("", table.height, dtype=pl.String, eager=True))
    joined = told.select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True).alias("reason"))["reason"]
    return Shaped(pl.DataFrame(columns), joined)


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The column with nulls where a value does not fit."""
    if column.dtype == pl.Object:
        return pl.Series(column.name, [_value(each, dtype) for each in column.to_list()], dtype=dtype, strict=False)
    return _cast_text(column, dtype) if column.dtype == pl.String else _cast_typed(column, dtype)


def _cast_typed(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if dtype == pl.String and column.dtype.is_nested():
        return pl.Series(column.name, [None] * len(column), dtype=dtype)
    if isinstance(dtype, pl.Datetime) and isinstance(column.dtype, pl.Datetime) and dtype.time_zone:
        zoned = column if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").cast(dtype)
    if isinstance(dtype, pl.Datetime) and isinstance(column.dtype, pl.Date):
        return column.cast(pl.Datetime("us")).dt.replace_time_zone(dtype.time_zone).cast(dtype)
    if not _may(column.dtype, dtype):
        return pl.Series(column.name, [None] * len(column), dtype=dtype)
    cast = column.cast(dtype, strict=False)
    if column.dtype.is_float() and dtype.is_integer():  # 1.5 is no integer
        return cast.set(cast != column, None) if column.len() else cast
    return cast


def _cast_text(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    text = column.str.strip_chars()
    if dtype == pl.Boolean:
        lower = text.str.to_lowercase()
        true, false = lower.is_in(list(_TRUE)), lower.is_in(list(_FALSE))
        return pl.select(pl.when(true).then(True).when(false).then(False).alias(column.name)).to_series()
    if isinstance(dtype, pl.Datetime):
        return _instants(text, dtype)
    if isinstance(dtype, pl.Date):
        return text.str.to_date("%Y-%m-%d", strict=False)
    return text.cast(dtype, strict=False)


def _may(found: pl.DataType, dtype: pl.DataType) -> bool:
    """Whether a value of one type may be read as another without a change of what it says."""
    number = found.is_numeric() and dtype.is_numeric()
    return number or kind_of(found) == kind_of(dtype) or isinstance(found, pl.Null)


def _instants(text: pl.Series, dtype: pl.Datetime) -> pl.Series:
    """Instants from ISO 8601 text: with a zone or without, which means UTC; a date is its midnight."""
    zone = dtype.time_zone
    bare = text.str.replace(r"Z$", "")
    found = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
    for pattern in _FORMATS:
        found = found.zip_with(found.is_not_null(), bare.str.to_datetime(pattern, time_unit="us", strict=False))
        if found.null_count() == text.null_count():
            break
    missing = (found.is_null() & text.is_not_null()).arg_true().to_list()
    if missing:
        found = found.scatter(missing, [_naive(text[place]) for place in missing])
    return found.dt.replace_time_zone(zone).cast(dtype) if zone else found.cast(dtype)


def _naive(text: str) -> datetime | None:
    """An instant in UTC without its zone, as Polars reads one in a column without zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo is not None else found


def _wider(column: pl.Series, dtype: pl.DataType, wrong: pl.Series) -> pl.Series | None:
    """Decimals where integers were are no error: the column widens, as an append does."""
    if not dtype.is_integer():
        return None
    if column.dtype.is_float():
        return column
    if column.dtype == pl.String:
        if not column.filter(wrong).str.contains(r"[.eE]").all():
            return None
        decimals = column.str.strip_chars().cast(pl.Float64, strict=False)
        return decimals if not (decimals.is_null() & wrong).any() and decimals.is_finite().all() else None
    return None


def _refuse_changed(column: pl.Series, dtype: pl.DataType, wrong: pl.Series, what: str, alike: int) -> None:
    given = column.len() - column.null_count()
    if int(wrong.sum()) < max(given, alike):
        return
    found = type_name(column.dtype) if column.dtype != pl.Object else type(column.drop_nulls()[0]).__name__
    raise SchemaSkewError(
        f"{what} does not have the columns it should",
        cause=f"column '{column.name}' is {kind_of(dtype)}, and every one of its {given} values is {found}, "
        f"as {str(column.filter(wrong)[0])[:40]!r}",
        cure="mend the source, or change the declared schema to what the data now is; compare with: mulle data show",
    )


def _reason(column: pl.Series, dtype: pl.DataType, wrong: pl.Series) -> pl.Series:
    word = {"int": "an integer", "float": "a number", "bool": "true or false", "datetime": "an instant"}.get(
        kind_of(dtype), kind_of(dtype)
    )
    told = [
        f"{column.name}: '{str(value)[:80]}' is not {word}" if bad else None
        for value, bad in zip(column.to_list(), wrong.to_list(), strict=True)
    ]
    return pl.Series(column.name, told, dtype=pl.String)


def _value(value: Any, dtype: pl.DataType) -> Any:
    """One value of Python as a column's type holds it; None where it does not fit."""
    if value is None:
        return None
    try:
        return _AS[kind_of(dtype)](value)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return None


def _int(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value)
    return int(value) if not isinstance(value, bool) and int(value) == value else None


def _float(value: Any) -> float | None:
    return None if isinstance(value, bool) else float(value)


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        lower = value.strip().lower()
        return True if lower in _TRUE else False if lower in _FALSE else None
    return bool(value) if value in (0, 1) else None


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _datetime(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _date(value: Any) -> date | None:
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _duration(value: Any) -> timedelta | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return timedelta(seconds=value)
    return value if isinstance(value, timedelta) else None


def _bytes(value: Any) -> bytes | None:
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value) if not isinstance(value, int) else None


_AS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "datetime": _datetime,
    "date": _date,
    "duration": _duration,
    "bytes": _bytes,
    "list": lambda value: value if isinstance(value, list) else None,
    "struct": lambda value: value if isinstance(value, dict) else None,
}


def column_of(name: str, values: Sequence[Any], dtype: pl.DataType | None) -> pl.Series:
    """A column of Python values: of the given type where they all fit it, else as they are (Object where they mix)."""
    if dtype is not None:
        try:
            return pl.Series(name, values, dtype=dtype, strict=True)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            return pl.Series(name, values, dtype=pl.Object)
    plain = [float(value) if isinstance(value, Decimal) else value for value in values]
    try:
        return pl.Series(name, plain, strict=True)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return _mixed(name, plain)


def _mixed(name: str, values: Sequence[Any]) -> pl.Series:
    """A column whose values are of several types and of which nothing is declared: numbers as decimals, else text."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    told = [None if value is None else value if isinstance(value, str) else _text(value) for value in values]
    return pl.Series(name, told, dtype=pl.String)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


def from_objects(
    rows: Sequence[Mapping[str, Any]], types: Mapping[str, pl.DataType], columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """A table of dicts; a key that a row lacks is empty there, and the columns come in the order of their first use."""
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([column_of(name, [row.get(name) for row in rows], types.get(name)) for name in names])
