"""Giving files out: writing objects to a folder, each verified, never half-written under its own name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mulle.hashing import Hasher, from_raw
from mulle.hashing.tree import PROGRAM
from mulle.store.files import Files, explained, write_all
from mulle.store.local import LocalStore
from mulle.store.loose import REFUSALS, cloned, damaged
from mulle.store.port import ObjectStore
from mulle.store.taking import LARGE, Taken, taken_of

_PIECE = 1 << 20


class Wished(NamedTuple):
    """A file to write: its path below the root, its raw digest, size and kind, and whether others may see it at once.

    With `swap` it is written under another name and moved; without, nobody looks into its folder yet.
    """

    path: bytes
    raw: bytes
    size: int
    kind: int
    swap: bool


class Giver:
    """Writes files below `root`. With `link` they are read-only hard links to the store's own, where that can be."""

    def __init__(self, store: ObjectStore, root: bytes, *, link: bool = False, files: Files | None = None) -> None:
        self._store = store
        self._root = root
        self._link = link
        self._files = files or Files()

    def give(self, wished: Sequence[Wished]) -> list[Taken]:
        """Write the files; say what the system says of each afterwards, in the same order.

        Raises:
            StoreError: an object is missing or damaged, or a file cannot be written.
        """
        held: dict[bytes, bytes] = {}
        if isinstance(self._store, LocalStore) and not self._link:
            small = list({each.raw for each in wished if each.size <= LARGE})
            held = dict(zip(small, self._store.read_many(small), strict=True))
        return [self._one(each, held.get(each.raw)) for each in wished]

    def _one(self, each: Wished, data: bytes | None) -> Taken:
        target = self._root + b"/" + each.path
        try:
            if not each.swap:
                return taken_of(each.raw, self._write(each, target, data))
            return taken_of(each.raw, self._swap(each, Path(os.fsdecode(target)), data))
        except OSError:
            where = Path(os.fsdecode(target))
            with explained(f"writing {where}", where.parent):
                raise

    def _swap(self, each: Wished, target: Path, data: bytes | None) -> os.stat_result:
        temporary = target.parent / f".mulle-{os.getpid()}-{os.urandom(8).hex()}"
        try:
            self._write(each, os.fsencode(temporary), data)
            self._files.rename(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return target.stat()

    def _write(self, each: Wished, path: bytes, data: bytes | None) -> os.stat_result:
        if self._link and each.kind != PROGRAM and self._linked(each, path):
            return Path(os.fsdecode(path)).stat()
        mode = 0o777 if each.kind == PROGRAM else 0o666
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            if each.size <= LARGE:
                whole = self._store.get(from_raw(each.raw)) if data is None else data
                write_all(self._files, fd, [whole], 0)
            else:
                self._write_large(each, fd)
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _linked(self, each: Wished, path: bytes) -> bool:
        try:
            os.link(self._store.path(from_raw(each.raw)), path)
        except OSError as error:
            if error.errno not in REFUSALS | {errno.EMLINK}:
                raise
            return False
        return True

    def _write_large(self, each: Wished, fd: int) -> None:
        """Share the object's blocks where the file system can; else copy and verify in one pass."""
        digest = from_raw(each.raw)
        source = self._store.unverified(digest) if isinstance(self._store, LocalStore) else self._store.path(digest)
        with source.open("rb", buffering=0) as file:
            if cloned(file.fileno(), fd):
                self._store.path(digest)
                return
            hasher, offset = Hasher(), 0
            while piece := file.read(_PIECE):
                hasher.update(piece)
                offset = write_all(self._files, fd, [piece], offset)
        if hasher.digest() != digest:
            raise damaged(digest, str(source))
