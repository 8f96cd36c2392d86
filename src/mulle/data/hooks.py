"""Checks that a project hangs on a dataset: they see what is about to get a name, and may refuse it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
import polars as pl

from mulle.data import manifest, reading
from mulle.errors import DataError, MulleError
from mulle.hashing.tree import shown
from mulle.store.tree import Trees

if TYPE_CHECKING:
    from mulle.data.definition import Dataset
    from mulle.data.manifest import FilesManifest
    from mulle.store import ObjectStore
    from mulle.types import Digest

Action: TypeAlias = Literal["commit", "merge", "tag"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to happen: rows are committed to a branch, a branch is merged into another, or a tag is set."""

    action: Action
    dataset: str
    branch: str = ""
    tag: str = ""
    message: str = ""


Check: TypeAlias = Callable[..., Any]
"""`check(rows)` or `check(rows, change)`: raises, or returns a reason or False, to refuse; None or True to let pass.

`rows` are those that are committed or appended, or all of the version that a merge makes or a tag names; of a dataset
of files, a table with the columns path, digest, size and mode.
"""


def require(definition: Dataset | None, rows: Callable[[], pl.DataFrame], change: Change) -> None:
    """Ask every check of the dataset; the rows are read only where there is one.

    Raises:
        DataError: a check refused; says which and why.
    """
    checks = definition.checks if definition is not None else ()
    if not checks:
        return
    table = rows()
    for check in checks:
        _ask(check, table, change)


def rows_of(store: ObjectStore, digest: Digest) -> pl.DataFrame:
    """What a check sees of a whole version: its rows, or the table of its files."""
    held = manifest.load(store, digest)
    return files_table(store, held) if isinstance(held, manifest.FilesManifest) else reading.read_version(store, digest)


def files_table(store: ObjectStore, held: FilesManifest) -> pl.DataFrame:
    """The files of a tree as a table: path, digest, size and mode of each."""
    trees = Trees(store)
    rows = [(shown(path), each.digest, each.size, each.mode) for path, each in trees.walk(trees.root(held.tree))]
    schema = {"path": pl.String, "digest": pl.String, "size": pl.Int64, "mode": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _ask(check: Check, table: pl.DataFrame, change: Change) -> None:
    try:
        said = check(table, change) if _takes_change(check) else check(table)
    except MulleError:
        raise
    except Exception as error:
        text = str(error) or type(error).__name__
        raise _refused(check, change, text if isinstance(error, AssertionError) else repr(error)) from error
    if said is False or (isinstance(said, str) and said):
        raise _refused(check, change, said or "it returned False")


def _takes_change(check: Check) -> bool:
    needed = [
        each
        for each in inspect.signature(check).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.default is each.empty
    ]
    return len(needed) > 1


def _refused(check: Check, change: Change, reason: str) -> DataError:
    code = getattr(inspect.unwrap(check), "__code__", None)
    where = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    name = getattr(check, "__name__", type(check).__name__)
    return DataError(
        f"the {change.action} to dataset '{change.dataset}' is refused by its check '{name}'",
        cause=reason,
        cure=f"mend the data, or the check{where}",
    )
