"""What each column of a table is: its type, and its part in a learning problem. Pure: no files, no clock."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
import polars as pl

from mulle.workspace.scaffold_read import NULLS, WEAK_NULLS

Kind = Literal["int", "float", "bool", "str", "datetime", "date"]

_ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|index|idx|rownum|row_id|rowid|no|nr|unnamed_0|column)$", re.IGNORECASE)
_INTEGER = r"^[+-]?(0|[1-9]\d{0,17})$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})*(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?$"
_LEADING_ZERO = r"^[+-]?0\d+$"
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y", "%Y%m%d")
TIME_FORMATS = (
    *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%#z", "%Y-%m-%d %H:%M:%S%#z"),
    *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"),
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
)
_COMPACT_DATE = "%Y%m%d"
_FREE_TEXT_SHARE = 0.5
_MOST_CATEGORIES = 1000
_FEW_ROWS = 50


class Column(msgspec.Struct, frozen=True):
    """One column: its name, the name in the file, its type, how its text is parsed, and what was counted."""

    name: str
    original: str
    kind: Kind
    form: str
    rows: int
    nulls: int
    distinct: int

    @property
    def unique(self) -> bool:
        """Every row has a value of its own."""
        return self.nulls == 0 and self.distinct == self.rows

    @property
    def id_like(self) -> bool:
        """Distinct in every row and either named like an identifier or text."""
        if not self.unique or self.kind not in ("int", "str"):
            return False
        return bool(_ID_NAME.search(self.name)) or (self.kind == "str" and self.rows >= _FEW_ROWS)

    @property
    def free_text(self) -> bool:
        """Text with too many different values to be categories."""
        many = self.distinct > max(_FREE_TEXT_SHARE * self.rows, 20) or self.distinct > _MOST_CATEGORIES
        return self.kind == "str" and many


def columns_of(table: pl.DataFrame, originals: dict[str, str], *, time: str = "") -> tuple[pl.DataFrame, list[Column]]:
    """The table with every text column parsed to what it is, and a description of each column.

    `time` names the column that must be read as time, even where it holds numbers such as 20130101.
    """
    names = {new: old for old, new in originals.items()}
    parsed, described = [], []
    for name in table.columns:
        series, kind, form = parse(table[name], as_time=name == time)
        parsed.append(series)
        counts = (len(series), series.null_count(), series.drop_nulls().n_unique())
        described.append(Column(name, names.get(name, name), kind, form, *counts))
    return pl.DataFrame(parsed), described


def parse(series: pl.Series, *, as_time: bool = False) -> tuple[pl.Series, Kind, str]:  # noqa: PLR0911 - one a type
    """The column as what it is, the name of its type, and the format that was used for dates and times."""
    if series.dtype != pl.String:
        return _typed(series)
    strong = _without(series.str.strip_chars(), NULLS)
    values = _without(strong, WEAK_NULLS)
    present = values.drop_nulls()
    if not len(present):
        return strong, "str", ""
    if as_time and (found := _time(values, (*TIME_FORMATS, *DATE_FORMATS))):
        return found
    if present.str.to_lowercase().is_in(["true", "false"]).all():
        return (values.str.to_lowercase() == "true").alias(series.name), "bool", ""
    if not present.str.contains(_LEADING_ZERO).any():
        if present.str.contains(_INTEGER).all():
            return values.cast(pl.Int64), "int", ""
        if present.str.contains(_NUMBER).all():
            return values.cast(pl.Float64), "float", ""
        if present.str.contains(_THOUSANDS).all():
            return values.str.replace_all(",", "").cast(pl.Float64), "float", ""
        if present.str.contains(_DECIMAL_COMMA).all():
            return values.str.replace(",", ".").cast(pl.Float64), "float", ""
    found = _time(values, (*TIME_FORMATS, *(form for form in DATE_FORMATS if form != _COMPACT_DATE)))
    return found or (strong, "str", "")


def _without(series: pl.Series, markers: tuple[str, ...]) -> pl.Series:
    return series.set(series.is_in(list(markers)).fill_null(value=False), None)


def _time(values: pl.Series, forms: tuple[str, ...]) -> tuple[pl.Series, Kind, str] | None:
    """The values as dates or times by the first format that reads them all."""
    present = values.drop_nulls()
    probe = present.head(1000)
    for form in forms:
        is_date = form in DATE_FORMATS
        try:
            if (
                as_time(probe, form, is_date=is_date).null_count()
                or as_time(present, form, is_date=is_date).null_count()
            ):
                continue
        except pl.exceptions.PolarsError:
            continue
        return as_time(values, form, is_date=is_date), ("date" if is_date else "datetime"), form
    return None


def as_time(values: pl.Series, form: str, *, is_date: bool) -> pl.Series:
    """Text as dates, or as instants in UTC; what does not fit the format becomes null."""
    if is_date:
        return values.str.to_date(form, strict=False)
    if form.endswith("z"):
        return values.str.to_datetime(form, time_unit="us", strict=False).dt.convert_time_zone("UTC")
    return values.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)


def _typed(series: pl.Series) -> tuple[pl.Series, Kind, str]:
    dtype = series.dtype
    if dtype.is_integer():
        return series, "int", ""
    if dtype.is_float() or dtype.is_decimal():
        return series.cast(pl.Float64), "float", ""
    if dtype == pl.Boolean:
        return series, "bool", ""
    if dtype == pl.Date:
        return series, "date", ""
    if dtype == pl.Datetime:
        zoned = series.dt.convert_time_zone("UTC") if dtype.time_zone else series.dt.replace_time_zone("UTC")  # type: ignore[attr-defined]
        return zoned.dt.cast_time_unit("us"), "datetime", ""
    return series.cast(pl.String, strict=False), "str", ""
