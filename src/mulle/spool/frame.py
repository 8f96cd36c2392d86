"""Segment files: a header, then frames; specified in `docs/en/reference/formats.md`.

    header   "MULLESPL" + version (u32) + 0 (u32)
    frame*   length (u32) + CRC-32 of the payload (u32) + payload

Little-endian. A frame that is not whole, or whose CRC does not fit, ends the segment.
"""

from __future__ import annotations

import struct
import zlib

MAGIC = b"MULLESPL"
VERSION = 1
HEADER = struct.Struct("<8sII")
FRAME = struct.Struct("<II")


def header() -> bytes:
    return HEADER.pack(MAGIC, VERSION, 0)


def frame(payload: bytes) -> bytes:
    """A payload with its length and checksum before it."""
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def frames(data: bytes | memoryview, start: int) -> tuple[list[bytes], int]:
    """The payloads of the whole frames from `start` on, and where the last of them ends."""
    view, found, at = memoryview(data), [], start
    while at + FRAME.size <= len(view):
        length, check = FRAME.unpack_from(view, at)
        end = at + FRAME.size + length
        if end > len(view) or length == 0:  # no payload is empty; zeros are what a power cut leaves
            break
        payload = bytes(view[at + FRAME.size : end])
        if zlib.crc32(payload) != check:
            break
        found.append(payload)
        at = end
    return found, at
