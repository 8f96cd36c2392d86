"""Stretches of text as rows: CSV, JSON lines, or what a function of the user's makes of a line.

A stretch begins and ends where a row does. Whatever is no row is put aside with its line and the reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from mulle.data.columns import plain
from mulle.data.files import MISSING
from mulle.data.sources import quarantine
from mulle.data.sources.shaping import from_objects, shaped
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.data.sources.port import Place

Parse = Callable[[str], Mapping[str, Any] | None]
"""A line as a row, or None where it is none; raising puts the line aside."""

Format = Literal["csv", "tsv", "jsonl"]
SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".log": "jsonl"}
_DATES = (r"^\d{4}-\d{2}-\d{2}$", r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


@dataclass(frozen=True)
class Stretch:
    """Whole lines of text, where they came from, and the number of the first of them."""

    data: bytes
    name: str
    first: int = 1

    def place(self, line: int) -> str:
        """Where a line of it, counted from 0, came from."""
        return f"{self.name}:{self.first + line}"


@dataclass(frozen=True)
class Found:
    """The rows of a stretch, and what was no row."""

    table: pl.DataFrame | None
    bad: pl.DataFrame


def separator_of(kind: Format) -> str:
    """What stands between the fields."""
    return "\t" if kind == "tsv" else ","


def header_of(line: bytes, kind: Format, name: str) -> list[str]:
    """The names of the columns, from a file's first line.

    Raises:
        DataError: it names none, or one twice.
    """
    text = line.decode("utf-8-sig", errors="replace")
    names = next(csv.reader([text.rstrip("\r\n")], delimiter=separator_of(kind)), [])
    repeated = [each for each in names if names.count(each) > 1]
    if not names or repeated or not all(names):
        cause = f"'{repeated[0]}' stands there twice" if repeated and repeated[0] else "a column has no name"
        raise DataError(f"the first line of {name} names no columns", cause=cause, cure="mend the header of the file")
    return names


def end_of_rows(data: bytes, kind: Format | None) -> int:
    """How many of the bytes are whole rows, the line end included; a CSV field in quotes may hold line ends."""
    end = data.rfind(b"\n") + 1
    while kind in ("csv", "tsv") and end > 0 and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def read_csv(stretch: Stretch, header: Sequence[str], kind: Format, place: Place, alike: int) -> Found:
    """The rows of CSV without its header line."""
    try:
        text = stretch.data.decode("utf-8")
        undecodable: list[tuple[str, str, str]] = []
    except UnicodeDecodeError:
        text, undecodable = _decodable(stretch)
    if '"' in text:
        text, odd = _checked(text, stretch, header, kind)
    else:
        text, odd = _counted(text, stretch, header, kind)
    bad = quarantine.bad([*undecodable, *odd])
    if not text.strip("\r\n"):
        return Found(None, bad)
    try:
        table = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            new_columns=list(header),
            infer_schema=False,
            separator=separator_of(kind),
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{stretch.name} cannot be read", cause=str(error).partition("\n")[0], cure="mend the file"
        ) from error
    table = (
        table.with_columns(inferred(table[name]) for name in table.columns if name not in place.types)
        if set(table.columns) - set(place.types)
        else table
    )
    return _fitted(table, bad, stretch, place, alike)


def _fitted(table: pl.DataFrame, bad: pl.DataFrame, stretch: Stretch, place: Place, alike: int) -> Found:
    fit = shaped(plain(table), place.types, stretch.name, alike)
    if not fit.wrong.any():
        return Found(fit.table, bad)
    wrong = fit.wrong
    rows = [quarantine.text(row) for row in table.filter(wrong).iter_rows(named=True)]
    held = [(row, why, stretch.name) for row, why in zip(rows, fit.reasons.filter(wrong).to_list(), strict=True)]
    return Found(fit.table.filter(~wrong), quarantine.together([bad, quarantine.bad(held)]))


def _decodable(stretch: Stretch) -> tuple[str, list[tuple[str, str, str]]]:
    good, odd = [], []
    for number, line in enumerate(stretch.data.splitlines(keepends=True)):
        try:
            good.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            odd.append((line.decode("utf-8", "replace").rstrip("\r\n"), "no UTF-8", stretch.place(number)))
    return "".join(good), odd


def _counted(
    text: str, stretch: Stretch, header: Sequence[str], kind: Format
) -> tuple[str, list[tuple[str, str, str]]]:
    """The lines that have as many fields as the header, where no field is quoted; and the others."""
    lines = pl.Series("line", text.removesuffix("\n").split("\n"), dtype=pl.String)
    fields = lines.str.count_matches(separator_of(kind), literal=True) + 1
    blank = lines.str.strip_chars() == ""
    odd = (fields != len(header)) & ~(blank & (len(header) > 1))
    if not odd.any():
        return text, []
    held = [
        (str(lines[at]).rstrip("\r"), f"{fields[at]} fields, not {len(header)}", stretch.place(at))
        for at in odd.arg_true().to_list()
    ]
    return "\n".join(lines.filter(~odd & ~blank).to_list()) + "\n", held


def _checked(
    text: str, stretch: Stretch, header: Sequence[str], kind: Format
) -> tuple[str, list[tuple[str, str, str]]]:
    """The same where fields may be quoted."""
    odd: list[tuple[str, str, str]] = []
    good: list[list[str]] = []
    reader = csv.reader(io.StringIO(text), delimiter=separator_of(kind))
    while True:
        line = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            odd.append(("", str(error), stretch.place(line)))
            continue
        if row is None:
            break
        if row and len(row) != len(header):
            raw = separator_of(kind).join(row)
            odd.append((raw, f"{len(row)} fields, not {len(header)}", stretch.place(line)))
        elif row:
            good.append(row)
    if not odd:
        return text, []
    out = io.StringIO()
    csv.writer(out, delimiter=separator_of(kind), lineterminator="\n").writerows(good)
    return out.getvalue(), odd


def inferred(column: pl.Series) -> pl.Series:
    """Text as what it says, where every value says the same: integers, decimals, truth values, dates, instants."""
    text = column.str.strip_chars()
    words = text.filter(text.is_in(MISSING)).unique().to_list()
    if len(words) == 1:
        text = text.set(text == words[0], None)
    given = text.drop_nulls()
    if given.is_empty():
        return column
    for dtype in (pl.Int64(), pl.Float64()):
        cast = text.cast(dtype, strict=False)
        if cast.null_count() == text.null_count():
            return cast
    if given.str.to_lowercase().is_in(["true", "false"]).all():
        return text.str.to_lowercase() == "true"
    if given.str.contains(_DATES[0]).all() and (dates := text.str.to_date("%Y-%m-%d", strict=False)).null_count() == (
        text.null_count()
    ):
        return dates
    if given.str.contains(_DATES[1]).all():
        zoned = given.str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any()
        fit = shaped(pl.DataFrame([text]), {column.name: pl.Datetime("us", "UTC" if zoned else None)}, "", 1 << 62)
        if not fit.wrong.any():
            return fit.table.to_series()
    return column


def read_jsonl(stretch: Stretch, place: Place, alike: int) -> Found:
    """The rows of JSON lines; a key that a row lacks is empty there."""
    try:
        table: pl.DataFrame | None = pl.read_ndjson(io.BytesIO(stretch.data), infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError, OSError):
        return read_lines(stretch, _object, place, alike)
    assert table is not None
    mixed = any(table.schema[name] == pl.String and dtype != pl.String for name, dtype in place.types.items()
                if name in table.columns)  # fmt: skip
    strange = place.columns is not None and set(table.columns) - set(place.columns)
    if mixed or strange:
        return read_lines(stretch, _object, place, alike)
    return _fitted(_completed(table, place, alike), quarantine.bad([]), stretch, place, alike) if table.width else (
        Found(None, quarantine.bad([])))  # fmt: skip


def _object(line: str) -> Mapping[str, Any]:
    found = msgspec.json.decode(line)
    if not isinstance(found, dict):
        raise TypeError("it is no JSON object")
    return found


def read_lines(stretch: Stretch, parse: Parse, place: Place, alike: int) -> Found:
    """The rows that a function makes of lines; blank lines are passed over."""
    rows: list[Mapping[str, Any]] = []
    numbers: list[int] = []
    odd: list[tuple[str, str, str]] = []
    lines = stretch.data.split(b"\n")
    for number, raw in enumerate(lines):
        line = raw.rstrip(b"\r")
        if not line.strip():
            continue
        try:
            row = parse(line.decode("utf-8"))
        except Exception as error:  # noqa: BLE001 - the user's function, and whatever the line holds
            odd.append((line.decode("utf-8", "replace"), _why(error), stretch.place(number)))
            continue
        if row is not None:
            rows.append(row)
            numbers.append(number)
    rows, numbers, strange = _without_strange(rows, numbers, stretch, place, alike)
    bad = quarantine.bad([*odd, *strange])
    if not rows:
        return Found(None, bad)
    raw_table = from_objects(rows, place.types)
    fit = shaped(plain(_completed(raw_table, place, alike)), place.types, stretch.name, alike)
    if not fit.wrong.any():
        return Found(fit.table, bad)
    held = [
        (quarantine.text(rows[at]), str(fit.reasons[at]), stretch.place(numbers[at]))
        for at in fit.wrong.arg_true().to_list()
    ]
    return Found(fit.table.filter(~fit.wrong), quarantine.together([bad, quarantine.bad(held)]))


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8"
    if isinstance(error, msgspec.DecodeError):
        return f"no JSON: {error}"
    return str(error) or type(error).__name__


def _without_strange(
    rows: list[Mapping[str, Any]], numbers: list[int], stretch: Stretch, place: Place, alike: int
) -> tuple[list[Mapping[str, Any]], list[int], list[tuple[str, str, str]]]:
    """The rows that have no column beyond the dataset's; where (nearly) all have one, its columns have changed."""
    if place.columns is None:
        return rows, numbers, []
    known = set(place.columns)
    strange = [sorted(set(row) - known) for row in rows]
    count = sum(1 for each in strange if each)
    if not count or (count == len(rows) and count >= alike):
        return rows, numbers, []  # the commit says which column it is
    odd = [
        (quarantine.text(row), f"column '{extra[0]}' is not among the dataset's", stretch.place(number))
        for row, number, extra in zip(rows, numbers, strange, strict=True)
        if extra
    ]
    kept = [each for each, extra in zip(zip(rows, numbers, strict=True), strange, strict=True) if not extra]
    return [row for row, _ in kept], [number for _, number in kept], odd


def _completed(table: pl.DataFrame, place: Place, alike: int) -> pl.DataFrame:
    """The table with the columns that no row of it has, empty; one that must not be empty only where rows are few."""
    absent = [name for name in place.columns or place.types if name not in table.columns]
    absent = [name for name in absent if name not in place.needed or table.height < alike]
    empty = [pl.lit(None, dtype=place.types.get(name, pl.Null())).alias(name) for name in absent]
    return table.with_columns(empty) if empty else table


NOTHING = Found(None, quarantine.bad([]))
"""What a stretch without lines gives."""
