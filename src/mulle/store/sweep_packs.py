"""What the packs hold, and writing a pack anew without its dead objects.

The new pack is sealed, synced and in the index before the old one is removed: whoever is killed in between leaves both,
which say the same. A reader that has the old pack open goes on; others find the objects in the new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from mulle.store import pack
from mulle.store.files import Files, write_all
from mulle.store.index import PackIndex
from mulle.store.leases import is_locked_here


class Packed(NamedTuple):
    """A pack: its objects, its length, and when it was last written (seconds since 1970)."""

    path: Path
    entries: list[pack.Entry]
    length: int
    written: float


def packs_of(folder: Path) -> Iterator[Packed]:
    """Every pack, by its footer or, where it has none, by its records."""
    for path in sorted(folder.glob("*.pack")):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            status = os.fstat(fd)
            yield Packed(path, _entries(fd, status.st_size), status.st_size, status.st_mtime)
        finally:
            os.close(fd)


def _entries(fd: int, size: int) -> list[pack.Entry]:
    footer = pack.read_footer(fd, size)
    return list(pack.scan(fd, 0, size)) if footer is None else footer


def _is_whole(fd: int, size: int, entries: list[pack.Entry]) -> bool:
    """Whether these are all records of the pack: not so where it is torn, or damaged in the middle."""
    end = pack.end_of(max(entries, key=lambda entry: entry.offset)) if entries else pack.HEADER.size
    return end == size or pack.read_footer(fd, size) is not None


class Rewriter:
    """Writes packs anew. `give_up` makes this process's own writer seal the pack of that name, if it is its."""

    def __init__(self, folder: Path, index: PackIndex, files: Files, give_up: Callable[[str], None]) -> None:
        self._folder = folder
        self._index = index
        self._files = files
        self._give_up = give_up

    def without(self, old: Packed, dead: Collection[bytes]) -> int | None:
        """Take the dead objects out of a pack and give by how many bytes it shrank.

        None when it must stay as it is: another process appends to it, its end is torn, or a living object is damaged.
        """
        name = old.path.name
        self._give_up(name)
        try:
            fd = os.open(old.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            if not is_locked_here(fd, old.path):
                return None
            size = os.fstat(fd).st_size
            entries = _entries(fd, size)
            if not _is_whole(fd, size, entries):
                return None
            living = self._living(fd, name, [entry for entry in entries if entry.raw not in dead])
            if living is None:
                return None
            by, kept = self._write(living) if living else ("", [])
            self._index.replaced(name, entries, by, kept)
            self._files.unlink(old.path)
            self._files.sync_folder(self._folder)
            return size - ((self._folder / by).stat().st_size if by else 0)
        finally:
            os.close(fd)

    def _living(self, fd: int, name: str, entries: list[pack.Entry]) -> list[tuple[bytes, bytes]] | None:
        """The objects that stay, verified; None when one of them is damaged and lies nowhere else."""
        found = []
        for entry in sorted(entries, key=lambda entry: entry.offset):
            data = os.pread(fd, entry.length, entry.offset)
            if blake3(data).digest() != entry.raw:
                others = (other for other in self._index.elsewhere(entry.raw, None) if other.pack != name)
                copies = (self._index.read(other) for other in others)
                whole = next((copy for copy in copies if blake3(copy).digest() == entry.raw), None)
                if whole is None:
                    return None
                data = whole
            found.append((entry.raw, data))
        return found

    def _write(self, objects: list[tuple[bytes, bytes]]) -> tuple[str, list[pack.Entry]]:
        """A new sealed pack of these, safe from a power cut: its name and what lies where."""
        pieces, entries, offset = [pack.header()], [], pack.HEADER.size
        for raw, data in objects:
            pieces += [pack.record_head(raw, len(data)), data]
            offset += pack.RECORD.size
            entries.append(pack.Entry(raw, offset, len(data)))
            offset += len(data)
        path, fd = self._new()
        try:
            end = write_all(self._files, fd, [b"".join(pieces)], 0)
            self._files.sync(fd)
            write_all(self._files, fd, [pack.footer(entries, end)], end)
            self._files.sync(fd)
            self._files.sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return path.name, entries

    def _new(self) -> tuple[Path, int]:
        """An empty pack that is locked, so that no writer goes on with it."""
        while True:
            path = self._folder / f"{os.urandom(8).hex()}.pack"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            if is_locked_here(fd, path):
                return path, fd
            os.close(fd)  # a writer took it in the instant before: it is theirs
