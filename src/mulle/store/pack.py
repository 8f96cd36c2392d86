"""The pack file: many small objects, one after another; specified in `docs/en/reference/formats.md`.

    header   "MULLEPAK" + version (u32) + 0 (u32)
    record*  "OBJ1" + length (u32) + digest (32 bytes) + the object's bytes
    footer   record index, sorted by digest: (digest, offset u64, length u32)*
    trailer  index offset (u64) + count (u64) + BLAKE3 of the index (32 bytes) + "MULLEEND"

An open pack has no footer yet: it is scanned, and ends at its last whole record (a torn one after it is not there).
Numbers are little-endian; an offset is that of the object's bytes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from blake3 import blake3

from mulle.errors import StoreError

VERSION = 1
HEADER = struct.Struct("<8sII")
RECORD = struct.Struct("<4sI32s")
ENTRY = struct.Struct("<32sQI")
TRAILER = struct.Struct("<QQ32s8s")
_MAGIC = b"MULLEPAK"
END = b"MULLEEND"
MARK = b"OBJ1"
_READ = 1 << 16


class Entry(NamedTuple):
    """Where an object lies in its pack."""

    raw: bytes
    offset: int
    length: int


def header() -> bytes:
    return HEADER.pack(_MAGIC, VERSION, 0)


def record_head(raw: bytes, length: int) -> bytes:
    """What precedes an object's bytes."""
    return RECORD.pack(MARK, length, raw)


def footer(entries: Iterable[Entry], offset: int) -> bytes:
    """The index and trailer that seal a pack whose records end at `offset`."""
    ordered = sorted(entries)
    index = b"".join(ENTRY.pack(*entry) for entry in ordered)
    return index + TRAILER.pack(offset, len(ordered), blake3(index).digest(), END)


def check_header(fd: int, name: str) -> bool:
    """Whether an intact header is there. Without one (a power cut, damage) the records are still what they are.

    Raises:
        StoreError: the pack is of a newer version.
    """
    data = os.pread(fd, HEADER.size, 0)
    if len(data) < HEADER.size:
        return False
    magic, version, _ = HEADER.unpack(data)
    if magic == _MAGIC and version > VERSION:
        raise StoreError(
            f"{name} is a pack of version {version}",
            cause=f"this mulle reads packs up to version {VERSION}",
            cure="pip install --upgrade mulle",
        )
    return data == header()


def read_footer(fd: int, size: int) -> list[Entry] | None:
    """The index of a sealed pack; None when the pack is open or its footer damaged (then scan it)."""
    if size < HEADER.size + TRAILER.size:
        return None
    offset, count, check, end = TRAILER.unpack(os.pread(fd, TRAILER.size, size - TRAILER.size))
    length = count * ENTRY.size
    if end != END or offset + length + TRAILER.size != size:
        return None
    index = os.pread(fd, length, offset)
    if blake3(index).digest() != check:
        return None
    return [Entry(*fields) for fields in ENTRY.iter_unpack(index)]


def scan(fd: int, start: int, size: int) -> Iterator[Entry]:
    """The whole records from `start` on, by their heads alone; stops where no whole record follows."""
    offset = max(start, HEADER.size)
    while offset + RECORD.size <= size:
        block_start, block = offset, os.pread(fd, _READ, offset)
        while (at := offset - block_start) + RECORD.size <= len(block):
            mark, length, raw = RECORD.unpack_from(block, at)
            following = offset + RECORD.size + length
            if mark != MARK or following > size:
                return
            yield Entry(raw, offset + RECORD.size, length)
            offset = following
        if offset == block_start and len(block) < RECORD.size:
            return


def end_of(entry: Entry) -> int:
    """Where the record after this one begins."""
    return entry.offset + entry.length
