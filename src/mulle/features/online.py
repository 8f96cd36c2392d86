"""Features for the request path: the newest row of each entity, in a store that many processes read.

Serving workers import this module, so it needs nothing but the standard library and msgspec.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mulle.errors import FeatureError

Key = tuple[Any, ...]
"""An entity's values in the order of the view's entity columns."""


class OnlineRow(msgspec.Struct, frozen=True, array_like=True):
    """One entity's features. Times are microseconds since 1970; the row may be used from `available` to `expires`."""

    key: Key
    event: int
    available: int
    expires: int
    values: list[Any]


class OnlineView(msgspec.Struct, frozen=True):
    """What is held of a view: its columns, up to when it is materialised, and the digest of what it was computed by."""

    name: str
    entity: list[str]
    features: list[str]
    until: int
    code: str = ""


class OnlineStore(Protocol):
    """The newest features by view and entity.

    Any thread and any number of processes may use one store at once. A reader sees a write whole or not at all.
    """

    def write(self, view: OnlineView, rows: Iterable[OnlineRow]) -> None:
        """Take in rows and move the view's watermark to `view.until`, both or neither.

        A row replaces the entity's held one unless that has a later event. Once or twice is the same. When
        `view.code` or its columns differ from what is held, the view's held rows are dropped first. A watermark never
        moves back.
        """

    def read(self, view: str, keys: Sequence[Key], now: int) -> list[list[Any] | None]:
        """The features of each entity, in the order of the keys; None where none may be used at `now`."""

    def view(self, name: str) -> OnlineView | None:
        """What is held of a view; None where nothing is."""

    def views(self) -> list[OnlineView]:
        """What is held of every view, by name."""

    def clear(self, view: str) -> None:
        """Forget a view; one that is not held is no error."""

    def close(self) -> None:
        """Release the store; it cannot be used afterwards."""


_TABLES = """
CREATE TABLE IF NOT EXISTS feature (
    view TEXT NOT NULL, key BLOB NOT NULL, event INTEGER NOT NULL, available INTEGER NOT NULL, expires INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (view, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS materialised (
    view TEXT PRIMARY KEY, until INTEGER NOT NULL, about BLOB NOT NULL
) WITHOUT ROWID;
"""
_UPSERT = """
INSERT INTO feature (view, key, event, available, expires, data) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (view, key) DO UPDATE
SET event = excluded.event, available = excluded.available, expires = excluded.expires, data = excluded.data
WHERE excluded.event >= feature.event
"""
_READ = "SELECT data FROM feature WHERE view = ? AND key = ? AND available <= ? AND expires >= ?"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_about = msgspec.msgpack.Decoder(OnlineView)


class SqliteOnline:
    """An `OnlineStore` in one SQLite file: rows as msgpack, a connection per thread."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection().executescript(_TABLES)
            except sqlite3.Error:
                self.close()
                raise

    def write(self, view: OnlineView, rows: Iterable[OnlineRow]) -> None:
        packed = [(view.name, _encode(r.key), r.event, r.available, r.expires, _encode(r.values)) for r in rows]
        with self._explained():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(connection, view, packed)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _write(self, connection: sqlite3.Connection, view: OnlineView, packed: list[tuple[Any, ...]]) -> None:
        held = self._held(connection, view.name)
        if held is not None and (held.entity, held.features, held.code) != (view.entity, view.features, view.code):
            connection.execute("DELETE FROM feature WHERE view = ?", (view.name,))
            held = None
        connection.executemany(_UPSERT, packed)
        until = max(view.until, held.until) if held is not None else view.until
        about = _encode(msgspec.structs.replace(view, until=until))
        connection.execute(
            "INSERT OR REPLACE INTO materialised (view, until, about) VALUES (?, ?, ?)", (view.name, until, about)
        )

    def read(self, view: str, keys: Sequence[Key], now: int) -> list[list[Any] | None]:
        with self._explained():
            cursor = self._connection().cursor()
            found = [cursor.execute(_READ, (view, _encode(key), now, now)).fetchone() for key in keys]
        return [None if row is None else _decode(row[0]) for row in found]

    def view(self, name: str) -> OnlineView | None:
        with self._explained():
            return self._held(self._connection(), name)

    @staticmethod
    def _held(connection: sqlite3.Connection, name: str) -> OnlineView | None:
        row = connection.execute("SELECT about FROM materialised WHERE view = ?", (name,)).fetchone()
        return None if row is None else _about.decode(row[0])

    def views(self) -> list[OnlineView]:
        with self._explained():
            rows = self._connection().execute("SELECT about FROM materialised ORDER BY view").fetchall()
        return [_about.decode(row[0]) for row in rows]

    def clear(self, view: str) -> None:
        with self._explained():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM feature WHERE view = ?", (view,))
            connection.execute("DELETE FROM materialised WHERE view = ?", (view,))
            connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; after a fork a new one, since SQLite's cannot be shared with the parent."""
        if getattr(self._local, "pid", None) != os.getpid():
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            with self._lock:
                self._open.append(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
            self._local.connection, self._local.pid = connection, os.getpid()
        held: sqlite3.Connection = self._local.connection
        return held

    def _explained(self) -> _Explained:
        return _Explained(self.path)


class _Explained:
    """What SQLite says, as an error with its cure."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise FeatureError(
                f"the online features in {self._path} cannot be read or written",
                cause=str(error),
                cure="check the disk; they can be made anew: delete the file and run mulle features materialize",
            ) from error
