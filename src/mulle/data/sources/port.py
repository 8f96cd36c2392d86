"""What every source is, whatever it reads: batches of rows, each with where the source stands after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    import polars as pl

    from mulle.clock import Clock
    from mulle.data.manifest import FilesManifest

SUFFIX = ".quarantine"
"""What a dataset's name ends with that holds the rows put aside of another."""

OnBad = Literal["keep", "quarantine", "refuse"]
"""What becomes of rows that break the declared schema: kept and counted, put aside with the reason, or an error."""

How = Literal["append", "update", "replace"]
"""Rows after those there are; the same, where a known key replaces its row; or instead of all there are."""

Mark = Mapping[str, Any]
"""What is known of one file, URL or object that was taken: plain JSON."""


@dataclass(frozen=True)
class Position:
    """Where a source stands for one dataset. `live`: it was once read to its end, so what comes now is new.

    `event` names the ledger's entry of the last move; a batch is only taken where it still stands. `gone` are the marks
    that the next move removes: all of them, where everything is taken anew.
    """

    state: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    live: bool = False
    event: str = ""
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Some rows, in the order in which they came, or a tree of files; and where the source stands once they are taken.

    Args:
        rows: typed rows; None where there are none.
        bad: what could not be read as a row, as `quarantine.held` makes it.
        tree: the files, where the dataset is a tree of files.
        state: replaces the source's state.
        marks: of what was taken or has gone (None); the others stay.
        how: what the rows are to those that are there.
        message: what the version will say.
        spans: where the rows came from: a name and how many rows in a row came from it.
        live: the rows are new whatever was collected before, as those of a pipe.
        clears: everything is read anew, so what was put aside before is put aside again, or fits now.
    """

    rows: pl.DataFrame | None = None
    bad: pl.DataFrame | None = None
    tree: FilesManifest | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, Mark | None] = field(default_factory=dict)
    how: How = "append"
    message: str = ""
    spans: Sequence[tuple[str, int]] = ()
    live: bool = False
    clears: bool = False


class Folders(Protocol):
    """Files that stay files: how a folder becomes a tree of the store, and what differs between two trees."""

    def stage(self, folder: Path) -> FilesManifest:
        """The tree of a folder as it is now; only files that may have changed are read."""

    def changes(self, before: str, after: FilesManifest) -> Iterator[tuple[str, str]]:
        """The paths that differ from a tree of before, each "added", "changed" or "removed"."""


@dataclass(frozen=True)
class Place:
    """What a source may use: where relative paths begin, a folder of its own that outlives the process, and time.

    `types` are those that columns must have, by name, as far as they are declared or were committed before. `columns`
    are those of the dataset's newest version, None before the first. `needed` may not be empty.
    """

    root: Path
    scratch: Path
    clock: Clock
    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    needed: frozenset[str] = frozenset()
    folders: Folders | None = None

    def learned(self, table: pl.DataFrame | None) -> Place:
        """The same, where what is not declared has the types that the first rows had."""
        if table is None or not table.width:
            return self
        found = {name: dtype for name, dtype in table.schema.items() if str(dtype) != "Null"}
        columns = table.columns if self.columns is None else self.columns
        return replace(self, types={**found, **self.types}, columns=columns)


@runtime_checkable
class Polled(Protocol):
    """A source that is asked what is new. Declaring one reads nothing and connects to nothing.

    `batches` gives what came after the position, the oldest first, and ends where the source has nothing more for now.
    It may be abandoned after any batch and called again with where that batch left off; then it gives the rows that are
    left, none twice. It keeps nothing else in between but the scratch folder, which may be gone. What it cannot reach
    or read is a DataError with a cure.
    """

    @property
    def kind(self) -> str:
        """One word: files, http, objects, sql or lines."""

    @property
    def address(self) -> str:
        """Where it reads, for people; without secrets."""

    @property
    def identity(self) -> str:
        """What a position belongs to: a position of another identity means nothing to this source."""

    @property
    def every(self) -> timedelta:
        """How long the wheel waits before it asks again."""

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        """What came after the position."""

    def cursor(self, position: Position) -> str:
        """The position for people, in a few words."""
