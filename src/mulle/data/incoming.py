"""Rows on their way in: a table in memory, or a stream of pieces that is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mulle.data import parts
from mulle.data.columns import duplicate_keys
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.data.manifest import Entry
    from mulle.store import ObjectStore

Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Incoming:
    """Rows in pieces, with one schema. They can be gone through once.

    `checked` says that keys were looked at already: not null, none twice.
    """

    schema: pl.Schema
    pieces: Iterable[pl.DataFrame]
    checked: bool = False

    @classmethod
    def of(cls, table: pl.DataFrame) -> Incoming:
        """The rows of a table whose key was checked."""
        return cls(table.schema, parts.cut(table), checked=True)

    def changed(self, change: Change) -> Incoming:
        """Each piece as `change` makes it."""
        empty = change(pl.DataFrame(schema=self.schema))
        return Incoming(empty.schema, (change(piece) for piece in self.pieces), self.checked)

    def table(self) -> pl.DataFrame:
        """All rows, in memory."""
        found = list(self.pieces)
        return pl.concat(found) if found else pl.DataFrame(schema=self.schema)


class Newest:
    """Looks at rows that pass for the newest event time; None as long as there is none."""

    def __init__(self, event_time: str | None) -> None:
        self.at: datetime | None = None
        self._event_time = event_time

    def watch(self, rows: pl.DataFrame | Incoming) -> Incoming:
        """The same rows."""
        given = rows if isinstance(rows, Incoming) else Incoming.of(rows)
        return replace(given, pieces=self._passing(given.pieces))

    def _passing(self, pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for piece in pieces:
            found: Any = None if self._event_time is None else piece[self._event_time].max()
            if found is not None and (self.at is None or found > self.at):
                self.at = found
            yield piece


def in_parts(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows of batches of any length in pieces of the length of a part; only the last may be shorter."""
    held: list[pl.DataFrame] = []
    rows = 0
    limit = 0
    for batch in batches:
        if not batch.height:
            continue
        limit = limit or parts.rows_a_part(batch)
        held.append(batch)
        rows += batch.height
        while rows >= limit:
            whole = pl.concat(held)
            yield whole.head(limit).rechunk()
            held, rows = [whole.slice(limit)], rows - limit
    if rows:
        yield pl.concat(held).rechunk()


class Keys:
    """Whether no row's key is null, and none is there twice: 8 bytes a row are kept."""

    def __init__(self, key: Sequence[str], name: str) -> None:
        self._key = list(key)
        self._name = name
        self._hashes: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def add(self, piece: pl.DataFrame) -> None:
        """Take note of the rows.

        Raises:
            DataError: a key is null.
        """
        if self._key:
            no_nulls(piece, self._key, f"dataset '{self._name}'")
            self._hashes.append(piece.select(self._key).hash_rows().to_numpy())

    def require_distinct(self, store: ObjectStore, entries: Sequence[Entry]) -> None:
        """Look at all rows together, which `entries` hold.

        Raises:
            DataError: two rows share a key.
        """
        hashes = np.sort(np.concatenate(self._hashes)) if self._hashes else np.empty(0, np.uint64)
        if not (hashes[1:] == hashes[:-1]).any():
            return
        keys = pl.concat([parts.read(store, entry, self._key) for entry in entries if entry.rows])
        again = duplicate_keys(keys, self._key)
        if again.height:
            raise repeated(again, f"dataset '{self._name}'", "two rows of the commit share it")


def no_nulls(table: pl.DataFrame, key: Sequence[str], what: str) -> None:
    """Refuse a key that is null."""
    for name in key:
        if table[name].null_count():
            raise DataError(
                f"the key column '{name}' of {what} has {table[name].null_count()} nulls",
                cause="a key identifies a row",
                cure="drop those rows, or choose another key",
            )


def repeated(keys: pl.DataFrame, what: str, cause: str) -> DataError:
    """The error for a key that more than one row has."""
    first = ", ".join(f"{name}={value}" for name, value in keys.row(0, named=True).items())
    return DataError(
        f"duplicate key in {what}: {first}",
        cause=cause,
        cure="drop the repeated rows, or extend the key with another column",
    )
