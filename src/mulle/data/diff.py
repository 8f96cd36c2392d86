"""What lies between two versions, told: columns, rows by key, files by path. Counts are exact, examples a few."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.data import changes
from mulle.data.changes import AFTER
from mulle.data.manifest import FilesManifest, Manifest, load
from mulle.data.model import ChangedRow, ColumnChange, Diff, FileDiff, FileExamples, RowDiff, RowExamples, SchemaDiff
from mulle.errors import DataError
from mulle.hashing.tree import shown
from mulle.store.tree import Trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mulle.data.model import Version
    from mulle.store import ObjectStore

EXAMPLES = 5


def diff_versions(store: ObjectStore, a: Version, b: Version, key: Sequence[str], examples: int = EXAMPLES) -> Diff:
    """What changed from `a` to `b`, two versions of tables or two of files.

    Raises:
        DataError: one is a table and the other a tree, or the key is not in both or does not identify a row.
    """
    if a.kind != b.kind:
        raise DataError(
            f"{a.ref} and {b.ref} cannot be compared",
            cause=f"one is {a.kind}, the other {b.kind}",
            cure="compare two tables or two trees of files",
        )
    before, after = load(store, a.digest), load(store, b.digest)
    if isinstance(before, FilesManifest) or isinstance(after, FilesManifest):
        return Diff(a=a.ref, b=b.ref, kind="files", files=_files(store, before, after, examples))
    rows = row_diff(changes.changes(store, before, after, key), examples)
    return Diff(a=a.ref, b=b.ref, kind="table", rows=rows, schema=schema_diff(before, after))


def _files(store: ObjectStore, before: Any, after: Any, examples: int) -> FileDiff:
    trees = Trees(store)
    found: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    counts = dict.fromkeys(found, 0)
    for each in trees.diff(trees.root(before.tree), trees.root(after.tree)):
        kind = "added" if each.before is None else "removed" if each.after is None else "changed"
        counts[kind] += 1
        if counts[kind] <= examples:
            found[kind].append(shown(each.path))
    unchanged = before.files - counts["removed"] - counts["changed"]
    return FileDiff(**counts, unchanged=unchanged, examples=FileExamples(**found))


def schema_diff(before: Manifest, after: Manifest) -> SchemaDiff:
    """The columns that came, went and changed their type."""
    old, new = dict(before.schema), dict(after.schema)
    return SchemaDiff(
        added=[ColumnChange(name, None, kind) for name, kind in new.items() if name not in old],
        removed=[ColumnChange(name, kind, None) for name, kind in old.items() if name not in new],
        changed=[ColumnChange(name, old[name], new[name]) for name in old if old[name] != new.get(name, old[name])],
    )


def row_diff(found: changes.Changes, examples: int) -> RowDiff:
    """Changes as counts and a few examples."""
    values = [name for name in found.compared if name not in found.key]
    changed = islice(found.changed.iter_rows(named=True), examples)
    return RowDiff(
        key=found.key,
        added=found.added.height,
        removed=found.removed.height,
        changed=found.changed.height,
        unchanged=found.unchanged,
        examples=RowExamples(
            added=_plain(found.added, examples),
            removed=_plain(found.removed, examples),
            changed=[_change(row, found.key, values) for row in changed],
        ),
    )


def _change(row: dict[str, Any], key: list[str], values: list[str]) -> ChangedRow:
    cells = {name: [row[name], row[name + AFTER]] for name in values if _differ(row[name], row[name + AFTER])}
    return ChangedRow(_builtin({name: row[name] for name in key}), _builtin(cells))


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ as values: a NaN is like another, at any depth."""
    if isinstance(one, float) and isinstance(other, float):
        return one != other and not (one != one and other != other)  # noqa: PLR0124 - NaN is what differs from itself
    if isinstance(one, list) and isinstance(other, list):
        return len(one) != len(other) or any(_differ(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() != other.keys() or any(_differ(one[name], other[name]) for name in one)
    return bool(one != other)


def _plain(table: pl.DataFrame, examples: int) -> list[dict[str, Any]]:
    return [_builtin(row) for row in table.head(examples).to_dicts()]


def _builtin(row: dict[str, Any]) -> dict[str, Any]:
    builtin: dict[str, Any] = msgspec.to_builtins(row, enc_hook=str)
    return builtin
