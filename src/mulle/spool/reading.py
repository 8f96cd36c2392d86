"""Reading the spool: whole frames only, from segments of living and dead writers alike."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mulle.errors import StoreError
from mulle.spool import frame


class Segment(msgspec.Struct, frozen=True):
    """A segment as far as it is whole: its payloads, where they end, and whether its writer may still append."""

    path: Path
    id: str
    frames: list[bytes]
    end: int
    sealed: bool


def read_segments(directory: Path) -> Iterator[Segment]:
    """Every segment of a folder, by name; a torn tail is left out. A folder that is not there holds none."""
    for path in sorted(directory.glob("*.seg")):
        try:
            segment = read_segment(path)
        except FileNotFoundError:  # compacted meanwhile
            continue
        yield segment


def read_segment(path: Path, start: int = 0) -> Segment:
    """One segment from the byte `start` (0, or the `end` of an earlier reading) on.

    Raises:
        StoreError: the file is no segment, or of a newer version.
        FileNotFoundError: it is gone.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sealed = not _is_locked(fd)  # asked before reading: what is then read of a sealed segment is all of it
        _check_header(os.pread(fd, frame.HEADER.size, 0), path)
        begin = max(start, frame.HEADER.size)
        data = _read_from(fd, begin)
    finally:
        os.close(fd)
    payloads, end = frame.frames(data, 0)
    return Segment(path, path.stem, payloads, begin + end, sealed)


def _read_from(fd: int, begin: int) -> bytes:
    pieces, at, size = [], begin, os.fstat(fd).st_size
    while at < size and (piece := os.pread(fd, size - at, at)):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _check_header(data: bytes, path: Path) -> None:
    if len(data) < frame.HEADER.size:
        return  # a writer that died before its first frame
    magic, version, _ = frame.HEADER.unpack(data)
    if magic != frame.MAGIC:
        raise StoreError(f"{path} is no spool segment", cause="its first bytes are damaged", cure=f"move {path} away")
    if version > frame.VERSION:
        raise StoreError(
            f"{path} is a spool segment of version {version}",
            cause=f"this mulle reads segments up to version {frame.VERSION}",
            cure="pip install --upgrade mulle",
        )
