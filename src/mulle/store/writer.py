"""The one open pack of a writer: taken over from a writer that ended, or begun anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mulle.store import pack
from mulle.store.files import Files, write_all
from mulle.store.index import PackIndex, intact, is_suspect
from mulle.store.leases import is_locked_here
from mulle.store.sealed import Location

PACK_LIMIT = 16 << 20
_NEVER = -1
_VECTOR = 256


class PackWriter:
    """Appends records to a pack that no other process appends to (it holds the file's lock). Not thread-safe.

    The lock goes with the process, however it ends; the pack is then taken over by the next writer, who cuts a torn
    record off its end. A pack that has reached its limit is sealed.
    """

    def __init__(self, folder: Path, index: PackIndex, files: Files, *, durable: bool, limit: int = PACK_LIMIT) -> None:
        self._folder = folder
        self._index = index
        self._files = files
        self._durable = durable
        self._limit = limit
        self._fd = -1
        self._name = ""
        self._end = 0
        self._synced = _NEVER
        self._unsafe: list[tuple[bytes, Location]] = []
        self._entries: list[pack.Entry] = []
        self._distrusted: set[str] = set()

    @property
    def name(self) -> str:
        """The open pack's file name; empty when there is none."""
        return self._name

    def append(self, raw: bytes, data: bytes) -> None:
        """Add one object; when it cannot be written whole, the pack is as before."""
        if self._fd < 0:
            self._take_over_or_begin()
        self._write(pack.record_head(raw, len(data)), data)
        self._note([(raw, Location(self._name, self._end - len(data), len(data)))])
        if self._end >= self._limit:
            self.seal()

    def append_many(self, objects: Sequence[tuple[bytes, bytes]]) -> None:
        """Add objects by few writes; when one write does not get through, the pack is as before that one."""
        for start in range(0, len(objects), _VECTOR):
            if self._fd < 0:
                self._take_over_or_begin()
            some = objects[start : start + _VECTOR]
            at = self._end + pack.RECORD.size
            self._write(b"".join([part for raw, data in some for part in (pack.record_head(raw, len(data)), data)]))
            placed = []
            for raw, data in some:
                placed.append((raw, Location(self._name, at, len(data))))
                at += pack.RECORD.size + len(data)
            self._note(placed)
            if self._end >= self._limit:
                self.seal()

    def _note(self, placed: list[tuple[bytes, Location]]) -> None:
        """Remember where what was just written lies."""
        self._unsafe += placed
        self._entries += [pack.Entry(raw, where.offset, where.length) for raw, where in placed]
        self._index.correct(placed)

    def flush(self) -> None:
        """Make what was appended safe from a power cut."""
        if self._fd < 0 or self._synced == self._end:
            return
        if self._durable:
            self._sync()
        self._synced = self._end
        self._unsafe.clear()

    def seal(self) -> None:
        """Write the footer and let go of the pack: records first, safe, then the index that names them."""
        self.flush()
        entries = self._entries
        self._write(pack.footer(entries, self._end))
        self.flush()
        self._index.add_sealed(self._name, entries)
        self.close()

    def close(self) -> None:
        """Let go of the pack, unsealed if it is not full: the next writer goes on with it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._name = ""
            self._unsafe.clear()
            self._entries = []
            self._index.own("")

    def _sync(self) -> None:
        try:
            self._files.sync(self._fd)
            if self._synced == _NEVER:
                self._files.sync_folder(self._folder)
        except OSError:
            # The kernel forgets what it could not write, and would call the next sync a success: begin another pack,
            # and let what was not safe be put again.
            for raw, location in self._unsafe:
                self._index.distrust(raw, location)
            self._distrusted.add(self._name)
            self.close()
            raise

    def _write(self, *buffers: bytes) -> None:
        try:
            self._end = write_all(self._files, self._fd, buffers, self._end)
        except OSError:
            try:
                self._files.truncate(self._fd, self._end)
            except OSError:  # the torn tail stays: readers do not see it, and the next writer cuts it off
                self.close()
            raise

    def _take_over_or_begin(self) -> None:
        for name in self._index.open_packs():
            if name not in self._distrusted and self._take_over(name):
                return
        self._begin()

    def _take_over(self, name: str) -> bool:
        """Go on with a pack whose writer has ended; False when nothing may be appended to it."""
        try:
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # gc removed it meanwhile
            return False
        try:
            if is_locked_here(fd, self._folder / name):
                self._resume(fd, name)
        finally:
            if self._fd != fd:
                os.close(fd)
        return self._fd >= 0

    def _resume(self, fd: int, name: str) -> None:
        status = os.fstat(fd)
        suspect = is_suspect(status)
        if pack.read_footer(fd, status.st_size) is not None:
            return
        if not pack.check_header(fd, name):
            write_all(self._files, fd, [pack.header()], 0)
        entries = list(pack.scan(fd, 0, status.st_size))
        whole = [entry for entry in entries if intact(fd, entry)] if suspect else entries
        end = pack.end_of(entries[-1]) if entries else pack.HEADER.size
        if end < status.st_size:
            self._files.truncate(fd, end)
        if len(whole) < len(entries):  # a power cut took some of it: end it, with an index of what is left
            write_all(self._files, fd, [pack.footer(whole, end)], end)
            self._files.sync(fd)
            self._index.add_sealed(name, whole)
        else:
            self._own(fd, name, end)
            self._entries = entries

    def _own(self, fd: int, name: str, end: int) -> None:
        self._fd, self._name, self._end, self._synced = fd, name, end, _NEVER
        self._entries = []
        self._index.own(name)

    def _begin(self) -> None:
        while True:
            name = f"{os.urandom(8).hex()}.pack"
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            if is_locked_here(fd, self._folder / name):
                break
            os.close(fd)  # another writer took it in the instant before: it is theirs
        self._own(fd, name, 0)
        try:
            self._write(pack.header())
        except OSError:
            self.close()
            raise
