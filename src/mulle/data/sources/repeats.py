"""Rows whose key was committed before: the same row again, or a newer state of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from mulle.data import parts, reading
from mulle.data.manifest import load_table
from mulle.data.manifest import parts as listed

if TYPE_CHECKING:
    from mulle.data.manifest import Entry
    from mulle.data.model import Version
    from mulle.store import ObjectStore

_PLACE = "__place"


@dataclass(frozen=True)
class Repeats:
    """Per new row: whether it is there as it is, and whether its key is there with other values."""

    same: pl.Series
    other: pl.Series


def find(
    store: ObjectStore, head: Version, table: pl.DataFrame, key: Sequence[str], arrives: str | None
) -> Repeats | None:
    """Which of the rows have a key that the version has; None where none has. Only parts that may hold one are read."""
    manifest = load_table(store, head.digest)
    if set(table.columns) != {name for name, _ in manifest.schema}:
        return None  # the commit says which column is missing
    low, high = table[key[0]].min(), table[key[0]].max()

    def meets(entry: Entry) -> bool:
        unknown = entry.first is None or entry.last is None or type(entry.first) is not type(low)
        return unknown or not (entry.last < low or entry.first > high)  # type: ignore[operator]

    there = [parts.read(store, entry) for entry in listed(store, manifest, meets)]
    if not there:
        return None
    known = pl.concat(there, how="vertical_relaxed")
    compared = [name for name in table.columns if name != arrives]
    new = table.select(compared).with_row_index(_PLACE)
    try:
        before = known.select(pl.col(name).cast(table.schema[name]) for name in compared)
    except pl.exceptions.PolarsError:
        return None  # another type: the commit says so
    repeated = new.join(before.select(key), on=list(key), how="semi")
    if not repeated.height:
        return None
    same = repeated.join(before, on=compared, how="semi", nulls_equal=True)[_PLACE]
    places = pl.int_range(table.height, eager=True, dtype=pl.UInt32)
    is_same = places.is_in(same.implode())
    return Repeats(is_same, places.is_in(repeated[_PLACE].implode()) & ~is_same)


def updated(store: ObjectStore, head: Version, table: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The version's rows, those with a key among the new ones replaced in their place, and the others of the new."""
    before = reading.read_version(store, head.digest)
    table = table.select(before.columns)
    there = before.select(key).with_row_index(_PLACE)
    placed = table.join(there, on=list(key), how="left", maintain_order="left")
    changed = placed.filter(pl.col(_PLACE).is_not_null())
    kept = before.with_row_index(_PLACE).join(changed.select(_PLACE), on=_PLACE, how="anti", maintain_order="left")
    whole = pl.concat([kept, changed.select(kept.columns)], how="vertical_relaxed").sort(_PLACE).drop(_PLACE)
    return pl.concat([whole, placed.filter(pl.col(_PLACE).is_null()).drop(_PLACE)], how="vertical_relaxed")


def with_arrival(store: ObjectStore, head: Version, table: pl.DataFrame, arrives: str) -> pl.DataFrame:
    """The rows with the arrival that the same ones had in the version; those that are new there keep their own."""
    before = reading.read_version(store, head.digest)
    compared = [name for name in table.columns if name != arrives]
    if arrives not in before.columns or not set(compared) <= set(before.columns):
        return table
    nth = pl.int_range(pl.len(), dtype=pl.UInt32).over(compared).alias(_PLACE)
    known = before.select(*(pl.col(name).cast(table.schema[name]) for name in compared), pl.col(arrives).alias("__was"))
    known = known.with_columns(nth, pl.lit(value=True).alias("__known"))
    found = table.with_columns(nth).join(
        known, on=[*compared, _PLACE], how="left", nulls_equal=True, maintain_order="left"
    )
    arrival = pl.when(pl.col("__known").is_not_null()).then(pl.col("__was")).otherwise(pl.col(arrives))
    return found.with_columns(arrival.alias(arrives)).select(table.columns)
