"""Two tables that came from one, made one: what only one of them changed is taken from that one, cell by cell.

Rows are told apart by the key. Rows stay in our order; what they added comes last. A column that one side added,
removed or gave another type is so in the result. What both changed differently is a conflict: a cell, a row that one
removed and the other changed, or a column. Without a key, rows are a multiset: both may add and remove rows, but not
remove equal ones, for then nobody can say which change belongs to which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mulle.data import drafts, reading
from mulle.data.align import joined, value_hashes_of
from mulle.data.changes import AFTER, Changes, changes
from mulle.data.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mulle.store import ObjectStore

MOST = 100
"""As many conflicts are listed; all are counted."""


class RowConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A row, by its key, that both changed differently: each cell as [base, ours, theirs].

    `ours` and `theirs` are what became of it: added, removed or changed. A conflict of columns has the key
    `{"column": NAME}` and the cell `type`.
    """

    key: dict[str, Any]
    cells: dict[str, list[Any]]
    ours: str = "changed"
    theirs: str = "changed"

    def told(self) -> str:
        """The conflict in words."""
        where = ", ".join(f"{name}={value}" for name, value in self.key.items())
        if self.ours == self.theirs:
            return f"{where}: " + ", ".join(f"{name} {mine} here, {their} there" for name, mine, their in self._cells())
        return f"{where}: {self.ours} here, {self.theirs} there"

    def _cells(self) -> Iterator[tuple[str, Any, Any]]:
        return ((name, cell[1], cell[2]) for name, cell in self.cells.items())


def merge_tables(
    store: ObjectStore, base: Manifest | None, ours: Manifest, theirs: Manifest
) -> tuple[Manifest, list[RowConflict], int]:
    """The merged table, its parts stored; the conflicts (the first MOST), and how many there are.

    Where there are any, the table is ours.

    Args:
        store: holds all three.
        base: the version that both came from; None where there is none, and all rows are new.
        ours: its key and event time are those of the result.
        theirs: what is merged into it.
    """
    base = base or _without_rows(store, ours)
    schema, conflicts = _schema(base, ours, theirs)
    if conflicts:
        return ours, conflicts[:MOST], len(conflicts)
    sides = _Sides(*(changes(store, base, each, ours.key) for each in (ours, theirs)))
    frames = _Frames(*(reading.read_manifest(store, each) for each in (ours, theirs)))
    found = _conflicts(sides, schema, frames) if ours.key else _removed_twice(sides)
    if found:
        return ours, found[:MOST], len(found)
    table = _merged(ours.key, sides, frames, schema) if ours.key else _added_up(sides, frames, schema)
    made = drafts.draft(store, table, "", key=ours.key, event_time=ours.event_time, base=None, head=ours)
    return made, [], 0


@dataclass(frozen=True)
class _Sides:
    ours: Changes
    theirs: Changes


@dataclass(frozen=True)
class _Frames:
    ours: pl.DataFrame
    theirs: pl.DataFrame


@dataclass(frozen=True)
class _Schema:
    """The columns of the result, and which of them are taken from their table: new ones and those of another type."""

    names: list[str]
    from_theirs: list[str]
    dropped: list[str]
    """Columns that they removed."""
    new_to_both: list[str]
    """Columns that both added, or gave the same other type."""


def _without_rows(store: ObjectStore, like: Manifest) -> Manifest:
    empty = reading.read_manifest(store, like).clear()
    return drafts.draft(store, empty, "", key=like.key, event_time=like.event_time, base=None)


def _schema(base: Manifest, ours: Manifest, theirs: Manifest) -> tuple[_Schema, list[RowConflict]]:
    was, mine, other = dict(base.schema), dict(ours.schema), dict(theirs.schema)
    names: list[str] = []
    taken: list[str] = []
    dropped: list[str] = []
    conflicts: list[RowConflict] = []
    for name in dict.fromkeys([*mine, *other, *was]):
        before, here, there = was.get(name), mine.get(name), other.get(name)
        if here != there and before not in (here, there):
            cell = {"type": [before, here, there]}
            conflicts.append(RowConflict(key={"column": name}, cells=cell))
        elif there in (here, before):
            names += [name] if here is not None else []
        elif there is None:
            dropped.append(name)
        else:
            names.append(name)
            taken.append(name)
    new = [name for name, kind in mine.items() if other.get(name) == kind != was.get(name)]
    return _Schema(names, taken, dropped, new), conflicts


def _conflicts(sides: _Sides, schema: _Schema, frames: _Frames) -> list[RowConflict]:
    key = sides.ours.key
    ours, theirs = sides.ours, sides.theirs
    return [
        *_both_changed(key, ours, theirs),
        *_changed_and_removed(key, ours, theirs.removed, "changed", "removed"),
        *_changed_and_removed(key, theirs, ours.removed, "removed", "changed"),
        *_both_added(key, ours.added, theirs.added),
        *_in_columns_gone(ours, [*schema.dropped, *schema.from_theirs], mine=True),
        *_in_columns_gone(theirs, [name for name in theirs.compared if name not in ours.compared], mine=False),
        *_in_columns_new_to_both(sides, frames, schema.new_to_both),
    ]


def _both_changed(key: list[str], ours: Changes, theirs: Changes) -> Iterator[RowConflict]:
    names = [name for name in ours.compared if name in theirs.compared and name not in key]
    mine = ours.changed.select(*key, *names, *(name + AFTER for name in names))
    other = theirs.changed.select(*key, *(pl.col(name + AFTER).alias(f"{name}\0theirs") for name in names))
    both = mine.join(other, on=key, nulls_equal=True, maintain_order="left")
    for row in both.iter_rows(named=True):
        cells = {name: [row[name], row[name + AFTER], row[f"{name}\0theirs"]] for name in names}
        yield from _conflict(key, row, {name: cell for name, cell in cells.items() if _differently(*cell)})


def _differently(base: Any, ours: Any, theirs: Any) -> bool:
    return not (_same(base, ours) or _same(base, theirs) or _same(ours, theirs))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; a NaN is like another."""
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - NaN differs from itself


def _changed_and_removed(
    key: list[str], changed: Changes, removed: pl.DataFrame, ours: str, theirs: str
) -> Iterator[RowConflict]:
    names = [name for name in changed.compared if name not in key]
    for row in changed.changed.join(removed, on=key, how="semi", nulls_equal=True).iter_rows(named=True):
        cells = {name: (row[name], row[name + AFTER]) for name in names if not _same(row[name], row[name + AFTER])}
        told = {name: [was, now, None] if ours == "changed" else [was, None, now] for name, (was, now) in cells.items()}
        yield from _conflict(key, row, told, ours=ours, theirs=theirs)


def _both_added(key: list[str], ours: pl.DataFrame, theirs: pl.DataFrame, kind: str = "added") -> Iterator[RowConflict]:
    names = [name for name in ours.columns if name in theirs.columns and name not in key]
    other = theirs.select(*key, *(pl.col(name).alias(f"{name}\0theirs") for name in names))
    for row in ours.join(other, on=key, nulls_equal=True).iter_rows(named=True):
        pairs = ((name, row[name], row[f"{name}\0theirs"]) for name in names)
        cells = {name: [None, mine, their] for name, mine, their in pairs if not _same(mine, their)}
        yield from _conflict(key, row, cells, ours=kind, theirs=kind)


def _in_columns_gone(edited: Changes, gone: list[str], *, mine: bool) -> Iterator[RowConflict]:
    """Cells that one side changed in a column that the other removed or gave another type."""
    kind = ("changed", "removed") if mine else ("removed", "changed")
    for name in gone:
        if name not in edited.compared:
            continue
        changed = edited.changed.filter(pl.col(name).ne_missing(pl.col(name + AFTER)))
        for row in changed.iter_rows(named=True):
            was, now = row[name], row[name + AFTER]
            cell = {name: [was, now, None] if mine else [was, None, now]}
            yield from _conflict(edited.key, row, cell, ours=kind[0], theirs=kind[1])


def _in_columns_new_to_both(sides: _Sides, frames: _Frames, names: list[str]) -> Iterator[RowConflict]:
    if not names:
        return
    key = sides.ours.key
    mine = frames.ours.join(sides.ours.added.select(key), on=key, how="anti", nulls_equal=True)
    yield from _both_added(key, mine.select(*key, *names), frames.theirs.select(*key, *names), kind="changed")


def _conflict(
    key: list[str], row: dict[str, Any], cells: dict[str, list[Any]], *, ours: str = "changed", theirs: str = "changed"
) -> Iterator[RowConflict]:
    if cells:
        told: dict[str, Any] = msgspec.to_builtins(cells, enc_hook=str)
        named: dict[str, Any] = msgspec.to_builtins({name: row[name] for name in key}, enc_hook=str)
        yield RowConflict(key=named, cells=told, ours=ours, theirs=theirs)


def _merged(key: list[str], sides: _Sides, frames: _Frames, schema: _Schema) -> pl.DataFrame:
    theirs = sides.theirs
    kept = frames.ours.drop(schema.dropped)
    if theirs.removed.height:
        kept = kept.join(theirs.removed.select(key), on=key, how="anti", nulls_equal=True, maintain_order="left")
    kept = _with_their_cells(key, kept, theirs)
    if schema.from_theirs:
        found = frames.theirs.select(*key, *schema.from_theirs)
        old = [name for name in schema.from_theirs if name in kept.columns]
        mine = kept.select(*key, *(pl.col(name).alias(f"{name}\0ours") for name in old))
        looked = mine.join(found, on=key, how="left", nulls_equal=True, maintain_order="left")
        fresh = kept.select(key).join(found.select(key), on=key, how="anti", nulls_equal=True)
        kept = kept.drop(old).with_columns(looked.select(schema.from_theirs))
        if old and fresh.height:
            kept = _own_cells(key, kept, looked, fresh, old)
    new = theirs.added.join(frames.ours.select(key), on=key, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([kept.select(schema.names), _fitted(new, kept, schema)])


def _with_their_cells(key: list[str], kept: pl.DataFrame, theirs: Changes) -> pl.DataFrame:
    """Our rows with each cell that they changed as they have it."""
    names = [name for name in theirs.compared if name not in key and name in kept.columns]
    if not theirs.changed.height or not names:
        return kept
    rows = kept.select(key).with_row_index("\0row")
    found = theirs.changed.join(rows, on=key, nulls_equal=True)
    columns = []
    for name in names:
        edited = found.filter(pl.col(name).ne_missing(pl.col(name + AFTER)))
        columns.append(
            kept[name].clone().scatter(edited["\0row"], edited[name + AFTER]) if edited.height else kept[name]
        )
    return kept.with_columns(columns)


def _own_cells(
    key: list[str], kept: pl.DataFrame, looked: pl.DataFrame, fresh: pl.DataFrame, names: list[str]
) -> pl.DataFrame:
    """Rows that only we have, with our values in the type that they gave the column."""
    mine = looked.select(key).join(fresh, on=key, how="left", nulls_equal=True, maintain_order="left")
    assert mine.height == kept.height
    is_fresh = kept.select(key).with_row_index("\0row").join(fresh, on=key, how="semi", nulls_equal=True)["\0row"]
    columns = []
    for name in names:
        cells = looked[f"{name}\0ours"].gather(is_fresh).cast(kept.schema[name], strict=False)
        columns.append(kept[name].clone().scatter(is_fresh, cells))
    return kept.with_columns(columns)


def _fitted(new: pl.DataFrame, kept: pl.DataFrame, schema: _Schema) -> pl.DataFrame:
    """Rows that they added, with the columns of the result: those that only we have are null."""
    columns = [
        (pl.col(name) if name in new.columns else pl.lit(None)).cast(kept.schema[name], strict=False).alias(name)
        for name in schema.names
    ]
    return new.select(columns)


def _removed_twice(sides: _Sides) -> list[RowConflict]:
    names = [name for name in sides.ours.compared if name in sides.theirs.compared]
    both = [each.removed.select(names) for each in (sides.ours, sides.theirs)]
    twice = joined(*(value_hashes_of(each) for each in both))[0]
    rows = both[0][pl.Series(twice, dtype=pl.UInt32)]
    found: list[RowConflict] = []
    for row in rows.iter_rows(named=True):
        key: dict[str, Any] = msgspec.to_builtins(row, enc_hook=str)
        found.append(RowConflict(key=key, cells={}, ours="removed", theirs="removed"))
    return found


def _added_up(sides: _Sides, frames: _Frames, schema: _Schema) -> pl.DataFrame:
    """Our rows without those that they removed, and then those that they added."""
    names = sides.theirs.compared
    kept = frames.ours
    if sides.theirs.removed.height:
        shared = [name for name in names if name in kept.columns]
        gone = joined(value_hashes_of(kept.select(shared)), value_hashes_of(sides.theirs.removed.select(shared)))[0]
        kept = kept.with_row_index("\0row").filter(~pl.col("\0row").is_in(pl.Series(gone).implode())).drop("\0row")
    kept = kept.drop(schema.dropped)
    for name in schema.from_theirs:
        kept = kept.with_columns(pl.lit(None).cast(frames.theirs.schema[name]).alias(name))
    return pl.concat([kept.select(schema.names), _fitted(sides.theirs.added, kept, schema)])
