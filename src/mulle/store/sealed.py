"""What the sealed packs hold, remembered in SQLite (`packs.db`): a cache of their footers, rebuilt when in doubt."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from mulle.store.pack import Entry

T = TypeVar("T")
_VERSION = 1
_WAIT_SECONDS = 20.0
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pack (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS object (
    digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""
_FIND = "SELECT pack.name, offset, length FROM object JOIN pack ON pack.id = object.pack WHERE digest = ?"
_MANY = "SELECT digest, pack.name, offset, length FROM object JOIN pack ON pack.id = object.pack WHERE digest IN"
_ASKED = 500
_ALL = "SELECT digest, pack.name, offset, length FROM object JOIN pack ON pack.id = object.pack"


class Location(NamedTuple):
    """An object's place: the pack's file name, and the offset and length of its bytes."""

    pack: str
    offset: int
    length: int


class SealedIndex:
    """Not thread-safe: its owner holds a lock. Shared with other processes; none of them relies on it.

    A cache file that is damaged, or of another version, is deleted; one that cannot be used at all is replaced by
    memory. Either way `names()` is then empty, and the owner reads the packs' footers again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._open()

    def names(self) -> set[str]:
        """The packs that are in the cache."""
        return self._trying(lambda db: {name for (name,) in db.execute("SELECT name FROM pack")}, set)

    def find(self, raw: bytes) -> Location | None:
        row = self._trying(lambda db: db.execute(_FIND, (raw,)).fetchone(), lambda: None)
        return None if row is None else Location(*row)

    def find_many(self, raws: Sequence[bytes]) -> dict[bytes, Location]:
        """The places of those that are here."""
        found: dict[bytes, Location] = {}
        for start in range(0, len(raws), _ASKED):
            asked = raws[start : start + _ASKED]
            statement = f"{_MANY} ({','.join('?' * len(asked))})"
            rows = self._trying(lambda db, a=asked, s=statement: db.execute(s, a).fetchall(), list)  # type: ignore[misc]
            found |= {raw: Location(name, offset, length) for raw, name, offset, length in rows}
        return found

    def all(self) -> Iterator[tuple[bytes, Location]]:
        rows: list[tuple[bytes, str, int, int]] = self._trying(lambda db: db.execute(_ALL).fetchall(), list)
        for raw, name, offset, length in rows:
            yield raw, Location(name, offset, length)

    def add(self, name: str, entries: Iterable[Entry]) -> None:
        """Remember a sealed pack; once or twice is the same."""
        rows = list(entries)

        def insert(db: sqlite3.Connection) -> None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                added = db.execute("INSERT OR IGNORE INTO pack (name) VALUES (?)", (name,))
                if added.rowcount == 1:
                    placed = ((raw, added.lastrowid, offset, length) for raw, offset, length in rows)
                    db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", placed)

        self._trying(insert, lambda: insert(self._connection))

    def remove(self, names: Iterable[str]) -> None:
        """Forget packs that are gone."""
        gone = [(name,) for name in names]

        def delete(db: sqlite3.Connection) -> None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany("DELETE FROM object WHERE pack = (SELECT id FROM pack WHERE name = ?)", gone)
                db.executemany("DELETE FROM pack WHERE name = ?", gone)

        self._trying(delete, lambda: None)

    def replace(self, name: str, entries: Iterable[Entry], by: str, kept: Iterable[Entry]) -> None:
        """A pack gives way to another one that holds some of its objects; `by` is empty where none are left."""
        rows, left = list(entries), list(kept)

        def swap(db: sqlite3.Connection) -> None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                found = db.execute("SELECT id FROM pack WHERE name = ?", (name,)).fetchone()
                if found is not None:
                    db.executemany(
                        "DELETE FROM object WHERE digest = ? AND pack = ?", ((entry.raw, found[0]) for entry in rows)
                    )
                    db.execute("DELETE FROM pack WHERE id = ?", found)
                if by:
                    added = db.execute("INSERT INTO pack (name) VALUES (?)", (by,)).lastrowid
                    placed = ((raw, added, offset, length) for raw, offset, length in left)
                    db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", placed)

        self._trying(swap, lambda: None)

    def close(self) -> None:
        self._connection.close()

    def _trying(self, ask: Callable[[sqlite3.Connection], T], otherwise: Callable[[], T]) -> T:
        try:
            return ask(self._connection)
        except sqlite3.Error as error:
            self._start_over(error)
            return otherwise()

    def _start_over(self, error: sqlite3.Error) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        if isinstance(error, sqlite3.OperationalError):  # locked, read-only, full disk: the file may be sound
            self._connection = _prepared(":memory:")
        else:
            self._delete()
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        for _ in range(2):
            try:
                return _prepared(self._path)
            except sqlite3.OperationalError:
                break
            except sqlite3.DatabaseError:
                self._delete()
        return _prepared(":memory:")

    def _delete(self) -> None:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()


def _prepared(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = OFF")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, _VERSION}:
            raise sqlite3.DatabaseError(f"packs.db has version {found}")
        if found == 0:
            db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
