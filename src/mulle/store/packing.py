"""Sealed packs as bytes: what travels between stores, in the same format as the files of a local one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from blake3 import blake3

from mulle.errors import StoreError
from mulle.store import pack

LIMIT = 16 << 20
"""Small objects travel together in packs of about this size."""


class Sealed(NamedTuple):
    """A whole pack: its name (hex BLAKE3 of its bytes), its bytes, and the footer that is also kept beside it."""

    name: str
    data: bytes
    footer: bytes
    entries: list[pack.Entry]


def seal(items: Iterable[tuple[bytes, bytes]]) -> Sealed:
    """Objects (raw digest, bytes) as a sealed pack; the same objects in the same order give the same pack."""
    pieces, offset, entries = [pack.header()], pack.HEADER.size, []
    for raw, data in items:
        head = pack.record_head(raw, len(data))
        pieces += [head, data]
        entries.append(pack.Entry(raw, offset + len(head), len(data)))
        offset += len(head) + len(data)
    footer = pack.footer(entries, offset)
    whole = b"".join([*pieces, footer])
    return Sealed(blake3(whole).hexdigest(), whole, footer, entries)


def entries_of(footer: bytes, where: str) -> list[pack.Entry]:
    """What a pack's footer, alone or at the end of the pack, says that the pack holds.

    Raises:
        StoreError: it is cut off or damaged.
    """
    if len(footer) >= pack.TRAILER.size:
        _, count, check, end = pack.TRAILER.unpack(footer[-pack.TRAILER.size :])
        index = footer[: -pack.TRAILER.size][-count * pack.ENTRY.size :] if count else b""
        if end == pack.END and len(index) == count * pack.ENTRY.size and blake3(index).digest() == check:
            return [pack.Entry(*fields) for fields in pack.ENTRY.iter_unpack(index)]
    raise StoreError(
        f"the index {where} is damaged",
        cause="its bytes are not those that its checksum names",
        cure="mulle data push to this remote again, from a workspace that has the objects",
    )


def objects_in(data: bytes | memoryview, where: str) -> Iterator[tuple[bytes, bytes]]:
    """The objects of a pack's bytes (raw digest, bytes), each verified, in the pack's order.

    Raises:
        StoreError: the bytes are no sealed pack, or an object's bytes are not its own.
    """
    view = memoryview(data)
    if len(view) < pack.HEADER.size + pack.TRAILER.size or bytes(view[: pack.HEADER.size]) != pack.header():
        raise _no_pack(where)
    end, count, _, mark = pack.TRAILER.unpack(view[-pack.TRAILER.size :])
    offset, found = pack.HEADER.size, 0
    while mark == pack.END and offset + pack.RECORD.size <= end <= len(view):
        record, length, raw = pack.RECORD.unpack_from(view, offset)
        offset += pack.RECORD.size
        content = bytes(view[offset : offset + length])
        if record != pack.MARK or offset + length > end or blake3(content).digest() != raw:
            raise _no_pack(where)
        yield raw, content
        offset, found = offset + length, found + 1
    if mark != pack.END or offset != end or found != count:
        raise _no_pack(where)


def _no_pack(where: str) -> StoreError:
    return StoreError(
        f"{where} is not a sealed pack",
        cause="it is cut off, or its bytes changed on the way",
        cure="send it again, whole and unchanged",
    )
