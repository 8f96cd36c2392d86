"""The one open pack of a writer: taken over from a writer that ended, or begun anew."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mulle.store import pack
from mulle.store.files import Files, write_all
from mulle.store.index import PackIndex, intact

PACK_LIMIT = 64 << 20


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
        self._synced = 0
        self._new = False

    @property
    def name(self) -> str:
        return self._name

    def append(self, raw: bytes, data: bytes) -> None:
        """Add one object; when it cannot be written whole, the pack is as before."""
        if self._fd < 0:
            self._take_over_or_begin()
        self._write(pack.record_head(raw, len(data)), data)
        self._index.add(self._name, pack.Entry(raw, self._end - len(data), len(data)))
        if self._end >= self._limit:
            self.seal()

    def flush(self) -> None:
        """Make what was appended safe from a power cut."""
        if self._fd < 0 or self._synced == self._end:
            return
        if self._durable:
            self._files.sync(self._fd)
            if self._new:
                self._files.sync_folder(self._folder)
                self._new = False
        self._synced = self._end

    def seal(self) -> None:
        """Write the footer and let go of the pack: records first, safe, then the index that names them."""
        self.flush()
        entries = list(pack.scan(self._fd, 0, self._end))
        self._write(pack.footer(entries, self._end))
        self.flush()
        self.close()

    def close(self) -> None:
        """Let go of the pack, unsealed if it is not full: the next writer goes on with it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._name = ""

    def _write(self, *buffers: bytes) -> None:
        try:
            write_all(self._files, self._fd, buffers)
        except OSError:
            self._undo()
            raise
        self._end += sum(map(len, buffers))

    def _undo(self) -> None:
        try:
            self._files.truncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
        except OSError:  # the torn tail stays: readers do not see it, and the next writer cuts it off
            self.close()

    def _take_over_or_begin(self) -> None:
        for name in self._index.open_packs():
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
            if _locked(fd) and self._resume(fd, name):
                return
            os.close(fd)
        self._begin()

    def _resume(self, fd: int, name: str) -> bool:
        """Go on with a pack whose writer has ended; False when it was sealed meanwhile."""
        size = os.fstat(fd).st_size
        if not pack.check_header(fd, name) or pack.read_footer(fd, size) is not None:
            return False
        entries = list(pack.scan(fd, 0, size))
        while entries and not intact(fd, entries[-1]):
            entries.pop()
        end = pack.end_of(entries[-1]) if entries else pack.HEADER.size
        if end < size:
            self._files.truncate(fd, end)
        os.lseek(fd, end, os.SEEK_SET)
        self._fd, self._name, self._end, self._synced, self._new = fd, name, end, -1, True
        return True

    def _begin(self) -> None:
        while True:
            name = f"{os.urandom(8).hex()}.pack"
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            if _locked(fd):
                break
            os.close(fd)  # another writer took it in the instant before: it is theirs
        self._fd, self._name, self._end, self._synced, self._new = fd, name, 0, 0, True
        self._write(pack.header())


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
