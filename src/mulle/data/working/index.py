"""The index of a working copy: what each file was when it was last read; `working/*.db` in the workspace (SQLite).

Its rows are always those of one tree that is in the store. What the system says of a file (size, times, inode) is
believed only where the file was older than the reading by more than a tick of the clock: one as new ("racily clean")
may have changed since without a trace, and is read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from mulle.hashing import digest_bytes, is_digest
from mulle.hashing.tree import Entry, Summary, file_entry
from mulle.store.taking import Taken
from mulle.types import Digest

_VERSION = 1
_WAIT_SECONDS = 60.0
_SECOND = 1_000_000_000
_TICK = 50_000_000
"""No file system of today with times finer than seconds keeps them coarser than this many nanoseconds."""
_SCHEMA = f"""
CREATE TABLE folder (path BLOB PRIMARY KEY, tree BLOB NOT NULL, folders BLOB NOT NULL, files BLOB NOT NULL);
CREATE TABLE origin (dataset TEXT PRIMARY KEY, version INTEGER, tree TEXT NOT NULL, parts TEXT NOT NULL);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_VERSION};
"""
Stamp = tuple[int, int, int, int, bool]
"""What the system says of a file: size, mtime and ctime in nanoseconds, inode, whether the owner may execute it."""
Row = tuple[bytes, int, int, int, int, bool, bytes]
"""A file as it was read: name, stamp, raw digest. A ctime of 0 is that of no file: read it again."""
_rows = msgspec.msgpack.Decoder(list[Row])
_names = msgspec.msgpack.Decoder(list[bytes])
_summaries = msgspec.msgpack.Decoder(Summary)


class Origin(NamedTuple):
    """Where a working copy comes from: the version's number (None: only parts of what was), and its files here.

    `parts` are the paths that were checked out where it was not the whole version.
    """

    version: int
    tree: Digest
    parts: list[str]


class Folder(NamedTuple):
    """A directory in the index: its node, as its parent's names it (None: unknown), its files by name, its folders."""

    tree: Summary | None
    files: dict[bytes, Row]
    folders: list[bytes]


_NOTHING = Folder(None, {}, [])


def row(name: bytes, taken: Taken, read_ns: int) -> Row:
    """A file that was read after `read_ns`, nanoseconds since 1970 by the clock that stamps files."""
    newest = max(taken.mtime_ns, taken.ctime_ns)
    margin = 2 * _SECOND if taken.ctime_ns % _SECOND == 0 else _TICK
    ctime = taken.ctime_ns if newest < read_ns - margin else 0
    return (name, taken.size, taken.mtime_ns, ctime, taken.inode, taken.executable, taken.raw)


def entry(found: Row) -> Entry:
    """A file of the index as an entry of a tree."""
    return file_entry(found[0], found[6], found[1], executable=found[5])


def stamp(status: os.stat_result) -> Stamp:
    """What is compared to tell whether a file is as it was."""
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        bool(status.st_mode & 0o100),
    )


class Index:
    """The index of one working copy. Not thread-safe; `locked()` keeps other processes from changing it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return _prepared(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged, or of another version: everything is read again
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return _prepared(self._path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no other process changes this working copy; then what the block writes is one transaction."""
        fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        finally:
            os.close(fd)

    def save(self) -> None:
        """Within the block of `locked`: what was written so far is kept, whatever comes."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def folder(self, path: bytes) -> Folder:
        """A directory; empty where it is not in the index."""
        found = self._db.execute("SELECT tree, folders, files FROM folder WHERE path = ?", (path,)).fetchone()
        if found is None:
            return _NOTHING
        tree = _summaries.decode(found[0]) if found[0] else None
        return Folder(tree, {row[0]: row for row in _rows.decode(found[2])}, _names.decode(found[1]))

    def folders(self) -> list[bytes]:
        """The directories that are in the index."""
        return [path for (path,) in self._db.execute("SELECT path FROM folder")]

    def put(self, path: bytes, tree: Summary | None, folders: Sequence[bytes], files: Sequence[Row]) -> None:
        """Replace a directory."""
        summary = b"" if tree is None else msgspec.msgpack.encode(tree)
        packed = (path, summary, msgspec.msgpack.encode(folders), msgspec.msgpack.encode(files))
        self._db.execute("INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?)", packed)

    def forget_tree(self, path: bytes) -> None:
        """A directory's node is not what it was."""
        self._db.execute("UPDATE folder SET tree = X'' WHERE path = ?", (path,))

    def remove(self, path: bytes) -> None:
        """Forget a directory."""
        self._db.execute("DELETE FROM folder WHERE path = ?", (path,))

    def clear(self) -> None:
        """Forget all files: the folder is gone."""
        self._db.execute("DELETE FROM folder")
        self._db.execute("DELETE FROM about WHERE name = 'tree'")

    @property
    def tree(self) -> Digest | None:
        """The tree whose files the rows are; None while there are none."""
        found = self._db.execute("SELECT value FROM about WHERE name = 'tree'").fetchone()
        return None if found is None else Digest(found[0])

    def set_tree(self, tree: Digest) -> None:
        """Say whose files the rows are."""
        self._db.execute("INSERT OR REPLACE INTO about VALUES ('tree', ?)", (tree,))

    def origin(self, dataset: str) -> Origin | None:
        """The version that the copy comes from, for one dataset."""
        found = self._db.execute("SELECT version, tree, parts FROM origin WHERE dataset = ?", (dataset,)).fetchone()
        return None if found is None else Origin(found[0], Digest(found[1]), msgspec.json.decode(found[2]))

    def set_origin(self, dataset: str, version: int, tree: Digest, parts: Sequence[str] = ()) -> None:
        """Say which version the copy comes from."""
        packed = msgspec.json.encode(list(parts)).decode()
        self._db.execute("INSERT OR REPLACE INTO origin VALUES (?, ?, ?, ?)", (dataset, version, tree, packed))

    def trees(self) -> set[Digest]:
        """The trees that the copy names."""
        named = {Digest(tree) for (tree,) in self._db.execute("SELECT tree FROM origin")}
        return named | ({self.tree} if self.tree else set())

    def close(self) -> None:
        self._db.close()


def path_for(folder: Path, path: Path) -> Path:
    """Where the index of the working copy at `path` lies, below the workspace's folder `working`."""
    name = digest_bytes(os.fsencode(path.resolve())).removeprefix("b3:")[:32]
    return folder / f"{name}.db"


def roots(folder: Path) -> set[Digest]:
    """The trees that any working copy names: gc keeps what they need. `folder` is the workspace's `working`."""
    found: set[Digest] = set()
    for path in sorted(folder.glob("*.db")) if folder.is_dir() else []:
        with contextlib.closing(Index(path)) as index:
            found |= index.trees()
    return {digest for digest in found if is_digest(digest)}


def _prepared(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, _VERSION}:
            raise sqlite3.DatabaseError(f"the index has version {found}")
        if found == 0:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.strip().split(";\n"):
                    db.execute(statement)
            db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db
