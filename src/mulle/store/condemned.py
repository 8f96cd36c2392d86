"""The list of condemned objects (`condemned`): unreachable when gc looked, still readable, deleted by a later run.

A *generation* is one writing of the list by gc. Pardons are appended in between. Who deletes and who pardons holds the
lock `condemned.lock`, so that an object is either pardoned in time or seen to be gone.

    list     "MULLECND" + version (u32) + 0 (u32) + generation (u64)
    record*  digest (32 bytes) + generation (u64; 0: pardoned) + at (u64, microseconds) + length (u64)
             + CRC-32 of these (u32) + 0 (u32)
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mulle.errors import StoreError
from mulle.store.files import Files, replace, write_all

VERSION = 1
_MAGIC = b"MULLECND"
_HEADER = struct.Struct("<8sIIQ")
_RECORD = struct.Struct("<32sQQQ")
_CHECK = struct.Struct("<II")
_SIZE = _RECORD.size + _CHECK.size
_PARDONED = 0


class Mark(NamedTuple):
    """Since which generation and when (microseconds since 1970) an object is condemned, and its length."""

    generation: int
    at: int
    length: int


def load(root: Path) -> tuple[int, dict[bytes, Mark]]:
    """The newest generation, and what is condemned; a damaged record condemns nothing.

    Raises:
        StoreError: it is of a newer version.
    """
    try:
        data = (root / "condemned").read_bytes()
    except FileNotFoundError:
        return 0, {}
    return _parse(data)


def _parse(data: bytes) -> tuple[int, dict[bytes, Mark]]:
    if len(data) < _HEADER.size:
        return 0, {}
    magic, version, _, newest = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        return 0, {}
    if version > VERSION:
        raise StoreError(
            f"the list of condemned objects has version {version}",
            cause=f"this mulle reads it up to version {VERSION}",
            cure="pip install --upgrade mulle",
        )
    marks: dict[bytes, Mark] = {}
    for raw, mark in _records(data, _HEADER.size):
        if mark.generation == _PARDONED:
            marks.pop(raw, None)
        else:
            marks[raw] = mark
    return newest, marks


def _records(data: bytes, begin: int) -> Iterator[tuple[bytes, Mark]]:
    for start in range(begin, len(data) - _SIZE + 1, _SIZE):
        body = data[start : start + _RECORD.size]
        if _CHECK.unpack_from(data, start + _RECORD.size)[0] != zlib.crc32(body):
            continue
        raw, generation, at, length = _RECORD.unpack(body)
        yield raw, Mark(generation, at, length)


def save(root: Path, generation: int, marks: Mapping[bytes, Mark], files: Files) -> None:
    """Write the list anew, safe from a power cut; the caller holds the lock."""
    records = [_record(raw, mark) for raw, mark in marks.items()]
    replace(files, root / "condemned", _HEADER.pack(_MAGIC, VERSION, 0, generation) + b"".join(records))


def pardon(root: Path, raws: Iterable[bytes], files: Files) -> None:
    """Objects are needed again: from here on gc does not delete them, unless it has already."""
    with locked(root):
        try:
            fd = os.open(root / "condemned", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(fd).st_size
            whole = size - max(0, size - _HEADER.size) % _SIZE
            records = [_record(raw, Mark(_PARDONED, 0, 0)) for raw in raws]
            try:
                write_all(files, fd, records, whole)
            except OSError:
                files.truncate(fd, whole)
                raise
        finally:
            os.close(fd)


def _record(raw: bytes, mark: Mark) -> bytes:
    body = _RECORD.pack(raw, *mark)
    return body + _CHECK.pack(zlib.crc32(body), 0)


class Pardons:
    """What was pardoned since the list was last looked at; to be asked while the lock is held."""

    def __init__(self, root: Path) -> None:
        self._path = root / "condemned"
        self._offset = _HEADER.size
        self.raws: set[bytes] = set()

    def read(self) -> set[bytes]:
        """Everything that was ever pardoned since gc wrote the list."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self.raws
        self._offset += len(data) - len(data) % _SIZE
        self.raws |= {raw for raw, mark in _records(data, 0) if mark.generation == _PARDONED}
        return self.raws


@contextmanager
def locked(root: Path, name: str = "condemned.lock") -> Iterator[None]:
    """Hold one of the locks that gc and those who pardon share; waits for it. Not re-entrant."""
    fd = os.open(root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
