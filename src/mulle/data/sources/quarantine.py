"""Rows that may not come in: found, told why, and kept as they came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.sources.port import SUFFIX
from mulle.stats.checks import row_tests

if TYPE_CHECKING:
    from mulle.data.definition import Dataset

ARRIVED = pl.Datetime("us", "UTC")
BAD: dict[str, pl.DataType] = {"row": pl.String(), "reason": pl.String(), "source": pl.String()}
"""A row as it came (JSON, or the raw line where it is none), why it may not come in, and where it came from."""

HELD: dict[str, pl.DataType] = {**BAD, "arrived": ARRIVED, "held_from": pl.String()}
"""The columns of a quarantine: what is bad, when it came, and the version that it is missing from."""

_REASONS = {
    "null": "{column} is empty",
    "minimum": "{column} is below {limit}",
    "maximum": "{column} is above {limit}",
    "values": "{column} is none of the declared values",
    "duplicate": "{column} repeats",
}


def name_of(dataset: str) -> str:
    """The dataset that holds what was put aside of another."""
    return dataset + SUFFIX


def bad(rows: Sequence[tuple[str, str, str]]) -> pl.DataFrame:
    """Rows that could not be read: (as it came, the reason, where it came from)."""
    return pl.DataFrame(rows, schema=BAD, orient="row")


def together(frames: Sequence[pl.DataFrame | None]) -> pl.DataFrame:
    """Several such tables as one; an empty one of none."""
    found = [frame for frame in frames if frame is not None and frame.height]
    return pl.concat(found) if found else bad([])


def sorted_out(
    definition: Dataset, table: pl.DataFrame, spans: Sequence[tuple[str, int]], *, newest: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that fit the declared schema, the key and the event time, in order; and those that do not.

    Of rows that share a key the first one fits, and those that equal it are dropped; with `newest` the last one fits,
    as a newer state of the others. So it does not matter in how many batches rows come.
    """
    good, wrong = _parted(definition, table, spans, newest=newest)
    if definition.key and set(definition.key) <= set(good.columns):
        good = good.unique(subset=list(definition.key), keep="last" if newest else "first", maintain_order=True)
    return good, wrong


def _parted(
    definition: Dataset, table: pl.DataFrame, spans: Sequence[tuple[str, int]], *, newest: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    tests = list(_tests(definition, table, newest=newest))
    if not tests or not table.height:
        return table, bad([])
    marked = table.select(
        pl.concat_str(
            [pl.when(mask.fill_null(value=False)).then(pl.lit(reason)) for reason, mask in tests],
            separator="; ",
            ignore_nulls=True,
        ).alias("reason")
    )["reason"]
    wrong = marked != ""
    if not wrong.any():
        return table, bad([])
    return table.filter(~wrong), _told(table, marked, wrong, spans)


def _tests(definition: Dataset, table: pl.DataFrame, *, newest: bool) -> Any:
    """Reasons and the rows that they hold of."""
    told: set[str] = set()
    if definition.expect is not None:
        for violation, mask, limit in row_tests(definition.expect, table.schema):
            if violation.rule == "duplicate" and definition.key == (violation.column,):
                continue
            told.add(violation.column if violation.rule == "null" else "")
            yield _REASONS[violation.rule].format(column=violation.column, limit=limit), mask
    needed = [*definition.key, *([definition.event_time] if definition.event_time else [])]
    for name in needed:
        if name in table.columns and name not in told:
            yield f"{name} is empty", pl.col(name).is_null()
    if definition.key and set(definition.key) <= set(table.columns) and not newest:
        if table.n_unique(subset=list(definition.key)) == table.height:
            return
        others = [name for name in table.columns if name != "__held"]
        repeated = ~pl.struct(definition.key).is_first_distinct() & pl.struct(others).is_first_distinct()
        yield f"the key {', '.join(definition.key)} repeats", repeated


def _told(table: pl.DataFrame, reasons: pl.Series, wrong: pl.Series, spans: Sequence[tuple[str, int]]) -> pl.DataFrame:
    places = wrong.arg_true().to_list()
    names = _names(places, spans)
    rows = [text(row) for row in table.filter(wrong).iter_rows(named=True)]
    return bad(list(zip(rows, reasons.filter(wrong).to_list(), names, strict=True)))


def told(table: pl.DataFrame, wrong: pl.Series, reason: str, spans: Sequence[tuple[str, int]]) -> pl.DataFrame:
    """The rows of a table that `wrong` marks, put aside for one reason."""
    return _told(table, pl.repeat(reason, table.height, eager=True), wrong, spans)


def _names(places: Sequence[int], spans: Sequence[tuple[str, int]]) -> list[str]:
    """Where the rows at these places, in rising order, came from."""
    found, following, end, name = [], iter(spans), 0, ""
    for place in places:
        while place >= end and (span := next(following, None)) is not None:
            name, end = span[0], end + span[1]
        found.append(name)
    return found


def text(row: Mapping[str, Any]) -> str:
    """A row as JSON on one line; times as ISO 8601, lengths of time in seconds, bytes in hexadecimal."""
    return json.dumps(row, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def held(frame: pl.DataFrame, arrived: datetime, ref: str) -> pl.DataFrame:
    """What is bad, as the quarantine keeps it."""
    return frame.with_columns(arrived=pl.lit(arrived).cast(ARRIVED), held_from=pl.lit(ref, dtype=pl.String)).select(
        list(HELD)
    )


def reasons(frame: pl.DataFrame) -> dict[str, int]:
    """How many rows were put aside for which reason, the most frequent ones."""
    counted = frame["reason"].str.replace_all(r"'[^']*'", "…").value_counts(sort=True).head(12)
    return {str(reason): int(count) for reason, count in counted.iter_rows()}
