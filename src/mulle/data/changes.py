"""The rows in which two versions of a table differ, by key or as a multiset, however either is stored.

Rows that both take from the same place of the same object are not read; of the others those are dropped that are
equal, by two 64-bit hashes; what is left is compared cell by cell. Values are equal as values: null is null, NaN is
NaN, and -0.0 is 0.0. Order does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mulle.data import parts, patches
from mulle.data.align import Hashes, Positions, joined, value_hashes_of
from mulle.data.columns import duplicate_keys
from mulle.data.manifest import Entry, Manifest
from mulle.data.manifest import parts as listed
from mulle.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.store import ObjectStore

Flags = np.ndarray[Any, np.dtype[np.bool_]]
AFTER = "\0after"
"""What the columns of changed rows as they are after are called: their name, and this."""


@dataclass(frozen=True)
class Changes:
    """Rows that only one version has, and those that both have by key with other values.

    `changed` has the key, the compared columns as they were, and those as they are (`AFTER`).
    """

    key: list[str]
    compared: list[str]
    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    unchanged: int


@dataclass(frozen=True)
class _Left:
    """Rows of one part that have to be looked at: those of some places in Parquet parts."""

    sources: list[Entry]
    of: Positions
    row: Positions

    def read(self, store: ObjectStore, columns: Sequence[str] | None, keep: Any = None) -> pl.DataFrame:
        of, row = (self.of, self.row) if keep is None else (self.of[keep], self.row[keep])
        used, number = np.unique(of, return_inverse=True)
        frames = [parts.read(store, self.sources[each], columns) for each in used.tolist()]
        if len(used) == 1 and len(row) == self.sources[int(used[0])].rows:
            return frames[0]
        return patches.put_together(frames, patches.runs_of(number, row))


def changes(store: ObjectStore, before: Manifest, after: Manifest, key: Sequence[str]) -> Changes:
    """What changed from one version to the other. Columns are compared that both have with one type.

    Raises:
        DataError: the key is not in both with one type, or two rows share it.
    """
    compared = [name for name, kind in before.schema if dict(after.schema).get(name) == kind]
    _require_key(store, before, after, list(key), compared)
    old, new = _not_shared(store, before, after)
    shared = before.rows - sum(len(each.row) for each in old)
    old_hashes, new_hashes = _hashed(store, old, compared), _hashed(store, new, compared)
    same = joined(old_hashes, new_hashes)
    removed, added = _without(store, old, same[0]), _without(store, new, same[1])
    alike = before.schema == after.schema
    if removed is None:
        removed = added.clear() if alike and added is not None else _empty(store, before)
    if added is None:
        added = removed.clear() if alike else _empty(store, after)
    unchanged = shared + len(same[0])
    if not key:
        nothing = pl.DataFrame(schema={name: removed.schema[name] for name in compared})
        return Changes([], compared, added, removed, nothing, unchanged)
    return _by_key(list(key), compared, added, removed, unchanged)


def _by_key(key: list[str], compared: list[str], added: pl.DataFrame, removed: pl.DataFrame, unchanged: int) -> Changes:
    values = [name for name in compared if name not in key]
    both = removed.select(key + values).join(
        added.select(key + values), on=key, how="inner", suffix=AFTER, nulls_equal=True, maintain_order="left"
    )
    differs = [pl.col(name).ne_missing(pl.col(name + AFTER)) for name in values]
    changed = both.filter(pl.any_horizontal(differs)) if differs else both.clear()
    return Changes(
        key=key,
        compared=compared,
        added=added.join(removed, on=key, how="anti", nulls_equal=True, maintain_order="left"),
        removed=removed.join(added, on=key, how="anti", nulls_equal=True, maintain_order="left"),
        changed=changed,
        unchanged=unchanged + both.height - changed.height,
    )


def _not_shared(store: ObjectStore, before: Manifest, after: Manifest) -> tuple[list[_Left], list[_Left]]:
    """The rows of each version that do not lie in a place that the other has too."""
    sides = [list(listed(store, manifest)) for manifest in (before, after)]
    only = [_once_more(mine, theirs) for mine, theirs in (sides, sides[::-1])]
    placed = [[_placed(store, entry) for entry in side if entry.rows] for side in only]
    single = [_single(side) for side in placed]
    both = {digest: mine & single[1][digest] for digest, mine in single[0].items() if digest in single[1]}
    if not both:
        return placed[0], placed[1]
    found = [[_kept(left, both) for left in side] for side in placed]
    return [left for left in found[0] if len(left.row)], [left for left in found[1] if len(left.row)]


def _once_more(mine: list[Entry], theirs: list[Entry]) -> list[Entry]:
    """The parts that the other side does not have as often."""
    left: dict[str, int] = {}
    for entry in theirs:
        left[entry.digest] = left.get(entry.digest, 0) + 1
    kept: list[Entry] = []
    for entry in mine:
        if left.get(entry.digest, 0) > 0:
            left[entry.digest] -= 1
        else:
            kept.append(entry)
    return kept


def _placed(store: ObjectStore, entry: Entry) -> _Left:
    patch = parts.find_patch(store, entry)
    if patch is None:
        return _Left([entry], np.zeros(entry.rows, np.int64), np.arange(entry.rows))
    sources = [Entry(each.digest, each.rows, each.bytes) for each in patch.sources]
    return _Left(sources, *patches.unpacked(patch.runs).each_row())


def _flat(left: _Left) -> tuple[list[int], Positions]:
    """Where the rows of each source begin when those of all sources are counted on, and the place of each row so."""
    begins = np.cumsum([0, *(source.rows for source in left.sources)])
    return begins.tolist(), begins[left.of] + left.row


def _single(side: list[_Left]) -> dict[str, Flags]:
    """By source, which of its rows are there once."""
    once: dict[str, Flags] = {}
    more: dict[str, Flags] = {}
    for left in side:
        begins, places = _flat(left)
        counts = np.bincount(places, minlength=begins[-1])
        for source, begin in zip(left.sources, begins, strict=False):
            count = counts[begin : begin + source.rows]
            before = once.get(source.digest, np.zeros(source.rows, bool))
            more[source.digest] = more.get(source.digest, False) | (count > 1) | (before & (count > 0))
            once[source.digest] = before | (count > 0)
    return {digest: there & ~more[digest] for digest, there in once.items()}


def _kept(left: _Left, both: dict[str, Flags]) -> _Left:
    """The rows that do not lie in one of these places."""
    _, places = _flat(left)
    nowhere = [both.get(source.digest, np.zeros(source.rows, bool)) for source in left.sources]
    keep = ~np.concatenate(nowhere)[places]
    return _Left(left.sources, left.of[keep], left.row[keep])


def _hashed(store: ObjectStore, side: list[_Left], compared: list[str]) -> Hashes:
    hashed = [value_hashes_of(left.read(store, compared)) for left in side]
    return np.concatenate(hashed, axis=1) if hashed else np.zeros((2, 0), np.uint64)


def _empty(store: ObjectStore, manifest: Manifest) -> pl.DataFrame:
    """No rows, with the columns of the version: it always has a part, be it without rows."""
    return parts.read(store, next(listed(store, manifest))).clear()


def _without(store: ObjectStore, side: list[_Left], same: Positions) -> pl.DataFrame | None:
    """The rows of a side but those; None where none is left."""
    keep = np.ones(sum(len(left.row) for left in side), bool)
    keep[same] = False
    frames: list[pl.DataFrame] = []
    before = 0
    for left in side:
        mine = keep[before : before + len(left.row)]
        if mine.any():
            frames.append(left.read(store, None, mine))
        before += len(left.row)
    return pl.concat(frames) if frames else None


def _require_key(store: ObjectStore, before: Manifest, after: Manifest, key: list[str], compared: list[str]) -> None:
    for name in key:
        if name not in compared:
            raise DataError(
                f"the key column '{name}' is not in both versions with one type",
                cause="rows are compared by it",
                cure="compare by another key: mulle data diff A B --key COLUMN",
            )
    for manifest in (before, after):
        if key and not (manifest.key and set(manifest.key) <= set(key)):
            _require_distinct(store, manifest, key)


def _require_distinct(store: ObjectStore, manifest: Manifest, key: list[str]) -> None:
    """A key that the version was not committed with may not identify its rows."""
    rows = pl.concat([parts.read(store, entry, key) for entry in listed(store, manifest)])
    if rows.n_unique() != rows.height:
        raise DataError(
            f"{', '.join(key)} does not identify a row",
            cause=f"{duplicate_keys(rows, key).rows()[0]} is there more than once",
            cure="compare by another key: mulle data diff A B --key COLUMN",
        )


def as_table(found: Changes) -> pl.DataFrame:
    """All changes as rows: `change` (added, removed or changed), the key, each other column before and after.

    Without a key: `change` (added or removed), and the columns that both versions have.
    """
    if not found.key:
        sides = [
            rows.select(pl.lit(kind).alias("change"), *found.compared)
            for kind, rows in (("removed", found.removed), ("added", found.added))
        ]
        return pl.concat(sides)
    old = [name for name in found.removed.columns if name not in found.key]
    new = [name for name in found.added.columns if name not in found.key]
    kept = [pl.col(name).alias(f"{name}.before") for name in old]
    came = [pl.col(name).alias(f"{name}.after") for name in new]
    removed = found.removed.select(pl.lit("removed").alias("change"), *found.key, *kept)
    added = found.added.select(pl.lit("added").alias("change"), *found.key, *came)
    values = [name for name in found.compared if name not in found.key]
    changed = found.changed.select(
        pl.lit("changed").alias("change"),
        *found.key,
        *(pl.col(name).alias(f"{name}.before") for name in values),
        *(pl.col(name + AFTER).alias(f"{name}.after") for name in values),
    )
    rows = pl.concat([removed, changed, added], how="diagonal")
    order = [f"{name}.{side}" for name in dict.fromkeys([*old, *new]) for side in ("before", "after")]
    return rows.select("change", *found.key, *(name for name in order if name in rows.columns))
