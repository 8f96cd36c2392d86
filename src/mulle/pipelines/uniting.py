"""The union of what mapped calls gave: tables one after the other, folders in one, no path in it from two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mulle.errors import PipelineError
from mulle.hashing import from_raw
from mulle.hashing.tree import of_tree_entry, put_files
from mulle.pipelines import values
from mulle.pipelines.model import ValueRef
from mulle.store.tree import files_of
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.hashing import TreeEntry
    from mulle.pipelines.values import Shelf

_TREES = {"file", "folder"}


def unite(names: Sequence[str], refs: Sequence[ValueRef], shelf: Shelf) -> ValueRef:
    """One value of several.

    Args:
        names: the steps that gave them.
        refs: what they gave.
        shelf: where values are kept.

    Raises:
        PipelineError: two gave the same path or have different columns; or they are neither tables nor files.
    """
    codecs = {ref.codec for ref in refs}
    if refs and codecs <= _TREES:
        return _united_trees(names, refs, shelf)
    if codecs == {"arrow"}:
        return _united_tables(names, refs, shelf)
    given = f"'{names[0]}' gave a value of the kind '{refs[0].codec}'" if refs else "there is none to take"
    raise PipelineError(
        "mulle.union takes tables, or files and folders",
        cause=given,
        cure="return a table or a path from the mapped step; a step that is given the list can do anything else",
    )


def _united_trees(names: Sequence[str], refs: Sequence[ValueRef], shelf: Shelf) -> ValueRef:
    """The folder with all files; their contents are not read."""
    found: dict[str, tuple[str, TreeEntry]] = {}
    for name, ref in zip(names, refs, strict=True):
        for entry in files_of(shelf.store, Digest(ref.digest)):
            if entry.path in found:
                raise PipelineError(
                    f"'{found[entry.path][0]}' and '{name}' both wrote '{entry.path}'",
                    cause="in a union each path comes from one partition",
                    cure="have the step write to a path that says which partition it is of",
                )
            found[entry.path] = name, entry
    made = put_files((of_tree_entry(entry) for _, entry in found.values()), shelf.store.put)
    return ValueRef("folder", from_raw(made.raw), made.size)


def _united_tables(names: Sequence[str], refs: Sequence[ValueRef], shelf: Shelf) -> ValueRef:
    import polars as pl  # noqa: PLC0415 - start-up time

    tables = [values.decode(ref, shelf) for ref in refs]
    for name, table in zip(names, tables, strict=True):
        if table.schema != tables[0].schema:
            raise PipelineError(
                f"'{names[0]}' and '{name}' gave tables of different columns",
                cause=f"{dict(tables[0].schema)} and {dict(table.schema)}",
                cure="have the step give the same columns and types each time",
            )
    return values.encode(pl.concat(tables, rechunk=True), shelf)
