"""What lies between two versions: columns, rows by key, files by path. Parts that both have are not read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mulle.data import parts
from mulle.data.columns import duplicate_keys
from mulle.data.manifest import FilesManifest, Manifest, load
from mulle.data.manifest import parts as listed
from mulle.data.model import ColumnChange, Diff, FileDiff, RowDiff
from mulle.errors import DataError
from mulle.hashing.tree import shown
from mulle.store.tree import Trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.data.manifest import Entry
    from mulle.data.model import Version
    from mulle.store import ObjectStore
    from mulle.types import Digest

EXAMPLES = 5


def diff_versions(store: ObjectStore, a: Version, b: Version, key: Sequence[str]) -> Diff:
    """What changed from `a` to `b`, two versions of tables or two of files.

    Raises:
        DataError: one is a table and the other a tree, or the key is not in both.
    """
    if a.kind != b.kind:
        raise DataError(
            f"{a.ref} and {b.ref} cannot be compared",
            cause=f"one is {a.kind}, the other {b.kind}",
            cure="compare two tables or two trees of files",
        )
    before, after = load(store, a.digest), load(store, b.digest)
    if isinstance(before, FilesManifest) or isinstance(after, FilesManifest):
        return Diff(a=a.ref, b=b.ref, kind="files", columns=[], files=_files(store, before, after))
    columns = _columns(before, after)
    return Diff(a=a.ref, b=b.ref, kind="table", columns=columns, rows=_rows(store, before, after, key))


def _files(store: ObjectStore, before: Any, after: Any) -> FileDiff:
    trees = Trees(store)
    changes = list(trees.diff(trees.root(before.tree), trees.root(after.tree)))
    removed = [shown(each.path) for each in changes if each.after is None]
    changed = [shown(each.path) for each in changes if each.before is not None and each.after is not None]
    return FileDiff(
        added=[shown(each.path) for each in changes if each.before is None],
        removed=removed,
        changed=changed,
        unchanged=before.files - len(removed) - len(changed),
    )


def _columns(before: Manifest, after: Manifest) -> list[ColumnChange]:
    old, new = dict(before.schema), dict(after.schema)
    names = [*old, *(name for name in new if name not in old)]
    return [ColumnChange(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _rows(store: ObjectStore, before: Manifest, after: Manifest, key: Sequence[str]) -> RowDiff:
    old_parts, new_parts = list(listed(store, before)), list(listed(store, after))
    shared = Counter(entry.digest for entry in old_parts) & Counter(entry.digest for entry in new_parts)
    same = sum(entry.rows for entry in old_parts) - sum(entry.rows for entry in _without(old_parts, shared))
    columns = [name for name, kind in before.schema if dict(after.schema).get(name) == kind]
    old, new = _read(store, _without(old_parts, shared)), _read(store, _without(new_parts, shared))
    if old is None and new is None:
        return RowDiff(key=list(key), unchanged=same)
    old, new = _or_none_of(old, new), _or_none_of(new, old)
    found = _by_key(old, new, list(key), columns) if key else _by_row(old, new, columns)
    return msgspec.structs.replace(found, unchanged=found.unchanged + same)


def _without(entries: list[Entry], shared: Counter[Digest]) -> list[Entry]:
    """The entries less those that both versions have, each as often as both have it."""
    left = shared.copy()
    kept: list[Entry] = []
    for entry in entries:
        if left[entry.digest] > 0:
            left[entry.digest] -= 1
        else:
            kept.append(entry)
    return kept


def _read(store: ObjectStore, entries: list[Entry]) -> pl.DataFrame | None:
    return pl.concat([parts.read(store, entry) for entry in entries]) if entries else None


def _or_none_of(table: pl.DataFrame | None, other: pl.DataFrame | None) -> pl.DataFrame:
    """The table, or no rows with the columns of the other one, which is all that is needed of it then."""
    if table is None:
        assert other is not None
        return other.clear()
    return table


def _by_key(old: pl.DataFrame, new: pl.DataFrame, key: list[str], columns: list[str]) -> RowDiff:
    for name in key:
        if name not in columns:
            raise DataError(
                f"the key column '{name}' is not in both versions with one type",
                cause="rows are compared by it",
                cure="compare by another key: mulle data diff A B --key COLUMN",
            )
    for table in (old, new):
        if table.n_unique(subset=key) != table.height:
            raise DataError(
                f"{', '.join(key)} does not identify a row",
                cause=f"{duplicate_keys(table, key).rows()[0]} is there more than once",
                cure="compare by another key: mulle data diff A B --key COLUMN",
            )
    values = [name for name in columns if name not in key]
    added = new.join(old, on=key, how="anti", nulls_equal=True, maintain_order="left")
    removed = old.join(new, on=key, how="anti", nulls_equal=True, maintain_order="left")
    both = old.select(key + values).join(
        new.select(key + values), on=key, how="inner", suffix="\0new", nulls_equal=True, maintain_order="left"
    )
    differs = [pl.col(name).ne_missing(pl.col(f"{name}\0new")) for name in values]
    changed = both.filter(pl.any_horizontal(differs)) if differs else both.clear()
    examples = [_change(row, key, values) for row in changed.head(EXAMPLES).iter_rows(named=True)]
    return RowDiff(
        key=key,
        added=added.height,
        removed=removed.height,
        changed=changed.height,
        unchanged=both.height - changed.height,
        examples_added=_plain(added),
        examples_removed=_plain(removed),
        examples_changed=examples,
    )


def _change(row: dict[str, Any], key: list[str], values: list[str]) -> dict[str, Any]:
    """The key of a changed row, and each changed column as [before, after]."""
    changed = {name: [row[name], row[f"{name}\0new"]] for name in values if row[name] != row[f"{name}\0new"]}
    builtin: dict[str, Any] = msgspec.to_builtins({**{name: row[name] for name in key}, **changed}, enc_hook=str)
    return builtin


def _by_row(old: pl.DataFrame, new: pl.DataFrame, columns: list[str]) -> RowDiff:
    """Rows as a multiset: how many more or fewer there are of each."""
    counted = "\0rows"
    before = old.select(columns).group_by(columns, maintain_order=True).len(counted)
    after = new.select(columns).group_by(columns, maintain_order=True).len(counted)
    both = before.join(after, on=columns, how="full", coalesce=True, suffix="\0new", nulls_equal=True)
    delta = both.with_columns(
        more=pl.col(f"{counted}\0new").fill_null(0).cast(pl.Int64) - pl.col(counted).fill_null(0).cast(pl.Int64)
    )
    gained, lost = delta.filter(pl.col("more") > 0), delta.filter(pl.col("more") < 0)
    removed = -int(lost["more"].sum())
    return RowDiff(
        key=[],
        added=int(gained["more"].sum()),
        removed=removed,
        changed=0,
        unchanged=old.height - removed,
        examples_added=_plain(gained.select(columns)),
        examples_removed=_plain(lost.select(columns)),
        examples_changed=[],
    )


def _plain(table: pl.DataFrame) -> list[dict[str, Any]]:
    builtin: list[dict[str, Any]] = msgspec.to_builtins(table.head(EXAMPLES).to_dicts(), enc_hook=str)
    return builtin
