"""Where packed objects lie: what the sealed packs say in their footers, and what the open ones are found to hold."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from mulle.store import pack

_RACY_NS = 1_000_000_000


class Location(NamedTuple):
    """An object's place: the pack's file name, and the offset and length of its bytes."""

    pack: str
    offset: int
    length: int


class _Known:
    """A pack as far as it has been read."""

    __slots__ = ("end", "fd", "sealed")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.end = pack.HEADER.size
        self.sealed = False


class PackIndex:
    """Finds packed objects, those of other processes' open packs included. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs: dict[str, _Known] = {}
        self._where: dict[bytes, Location] = {}
        self._listed_ns = -1
        self._lock = threading.RLock()

    def find(self, raw: bytes, *, fresh: bool = False) -> Location | None:
        """The object's place; with `fresh`, what other processes wrote since is looked for too."""
        location = self._where.get(raw)
        if location is None and fresh:
            self.refresh()
            location = self._where.get(raw)
        return location

    def add(self, name: str, entry: pack.Entry) -> None:
        """Learn of an object that this process has just appended."""
        with self._lock:
            self._where[entry.raw] = Location(name, entry.offset, entry.length)

    def read(self, location: Location) -> bytes:
        """The bytes at a place, unverified."""
        return os.pread(self._known(location.pack).fd, location.length, location.offset)

    def copies(self, raw: bytes) -> list[Location]:
        """Every place that holds the object, found by reading every pack's index; for repair, not for speed."""
        with self._lock:
            self.refresh()
            return [
                Location(name, entry.offset, entry.length)
                for name, known in self._packs.items()
                for entry in self._entries(known)
                if entry.raw == raw
            ]

    def forget(self, raw: bytes) -> None:
        """Let the next put write the object anew."""
        with self._lock:
            self._where.pop(raw, None)

    def all(self) -> dict[bytes, Location]:
        """Every packed object."""
        with self._lock:
            self.refresh()
            return dict(self._where)

    def is_sealed(self, name: str) -> bool:
        return self._known(name).sealed

    def open_packs(self) -> list[str]:
        """The packs that have no footer yet."""
        with self._lock:
            self.refresh()
            return [name for name, known in self._packs.items() if not known.sealed]

    def refresh(self) -> None:
        """Take in new packs and what was appended to the open ones."""
        with self._lock:
            if self._folder_changed():
                for name in sorted(os.listdir(self._folder)):
                    if name.endswith(".pack") and name not in self._packs:
                        self._known(name)
            for name, known in self._packs.items():
                if not known.sealed:
                    self._extend(name, known)

    def close(self) -> None:
        with self._lock:
            for known in self._packs.values():
                os.close(known.fd)
            self._packs.clear()
            self._where.clear()
            self._listed_ns = -1

    def _folder_changed(self) -> bool:
        changed = os.stat(self._folder).st_mtime_ns
        if changed == self._listed_ns:
            return False
        # A folder changed in the same tick as it was listed looks unchanged: believe only what is old enough.
        self._listed_ns = changed if time.time_ns() - changed > _RACY_NS else -1
        return True

    def _known(self, name: str) -> _Known:
        known = self._packs.get(name)
        if known is None:
            with self._lock:
                known = self._packs.get(name)
                if known is None:
                    known = self._packs[name] = _Known(os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC))
        return known

    def _extend(self, name: str, known: _Known) -> None:
        status = os.fstat(known.fd)
        if status.st_size <= known.end or not pack.check_header(known.fd, name):
            return
        entries = pack.read_footer(known.fd, status.st_size)
        known.sealed = entries is not None
        if entries is None:
            suspect = status.st_mtime < _boot_time()
            entries = list(pack.scan(known.fd, known.end, status.st_size))
            known.end = pack.end_of(entries[-1]) if entries else known.end
            if suspect:  # a power cut may have left whole-looking records without their bytes
                entries = [entry for entry in entries if intact(known.fd, entry)]
        for entry in entries:
            self._where.setdefault(entry.raw, Location(name, entry.offset, entry.length))

    def _entries(self, known: _Known) -> list[pack.Entry]:
        size = os.fstat(known.fd).st_size
        return pack.read_footer(known.fd, size) or list(pack.scan(known.fd, 0, size))


def intact(fd: int, entry: pack.Entry) -> bool:
    """Whether a record's bytes are those that its digest names."""
    return blake3(os.pread(fd, entry.length, entry.offset)).digest() == entry.raw


def _boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
