"""Where packed objects lie: what the sealed packs say in their footers, and what the open ones are found to hold."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from mulle.store import pack
from mulle.store.sealed import Location, SealedIndex

_RACY_NS = 1_000_000_000
_MAX_DESCRIPTORS = 128
_RETIRED_SECONDS = 60.0
_LATELY_SECONDS = 1.0


class _Open:
    """A pack without a footer, as far as it has been read."""

    __slots__ = ("end", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.end = pack.HEADER.size


class PackIndex:
    """Finds packed objects, those of other processes' open packs included. Thread-safe."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._sealed: SealedIndex | None = None
        self._sealed_names: set[str] = set()
        self._open: dict[str, _Open] = {}
        self._where: dict[bytes, Location] = {}
        self._bad: dict[bytes, Location] = {}
        self._descriptors: dict[str, int] = {}
        self._retired: list[tuple[float, int]] = []
        self._listed_ns = -1
        self._refreshed = -_LATELY_SECONDS
        self._owned = ""
        self._lock = threading.RLock()

    def find(self, raw: bytes, *, fresh: bool = False) -> Location | None:
        """The object's place; with `fresh`, what other processes wrote since is looked for too."""
        location = self._where.get(raw)
        if location is not None or raw in self._bad:
            return location
        with self._lock:
            location = self._cached().find(raw)
            if location is None and fresh:
                self.refresh()
                location = self._where.get(raw) or self._cached().find(raw)
            if location is not None:
                self._where[raw] = location
            return location

    def find_many(self, raws: Sequence[bytes]) -> dict[bytes, Location]:
        """The places of those that are packed, other processes' included but those of the last second."""
        with self._lock:
            if time.monotonic() - self._refreshed > _LATELY_SECONDS:
                self.refresh()
            found = {raw: where for raw in raws if (where := self._where.get(raw)) is not None}
            rest = [raw for raw in raws if raw not in found and raw not in self._bad]
            return found | self._cached().find_many(rest)

    def own(self, name: str) -> None:
        """This process appends to the pack and tells of every object itself: no need to look into it."""
        self._owned = name

    def add_sealed(self, name: str, entries: list[pack.Entry]) -> None:
        """Learn that a pack is sealed, and what it holds."""
        with self._lock:
            self._cached().add(name, entries)
            self._sealed_names.add(name)
            known = self._open.pop(name, None)
            if known is not None:
                os.close(known.fd)

    def replaced(self, name: str, entries: list[pack.Entry], by: str, kept: list[pack.Entry]) -> None:
        """A pack is about to give way to another one, which holds some of its objects (`by` is empty: none)."""
        with self._lock:
            self._cached().replace(name, entries, by, kept)
            self._sealed_names.discard(name)
            self._sealed_names |= {by} if by else set()
            self._forget({name})

    def forget_removed(self) -> None:
        """Forget the packs that are gone, and that objects were in them: gc rewrites and removes packs."""
        with self._lock:
            there = {path.name for path in self._folder.glob("*.pack")}
            known = self._cached().names() | set(self._open) | set(self._descriptors)
            known |= {location.pack for location in self._where.values()}
            gone = known - there
            if gone:
                self._cached().remove(gone)
                self._sealed_names -= gone
                self._forget(gone)

    def _forget(self, gone: set[str]) -> None:
        self._where = {raw: where for raw, where in self._where.items() if where.pack not in gone}
        now = time.monotonic()
        for name in gone & self._open.keys():
            self._retired.append((now, self._open.pop(name).fd))
        for name in gone & self._descriptors.keys():
            self._retired.append((now, self._descriptors.pop(name)))
        self._listed_ns = -1
        # A thread may be about to read by a descriptor that it has looked up: close only those retired long ago.
        for at, fd in self._retired:
            if now - at > _RETIRED_SECONDS:
                os.close(fd)
        self._retired = [(at, fd) for at, fd in self._retired if now - at <= _RETIRED_SECONDS]

    def read(self, location: Location) -> bytes:
        """The bytes at a place, unverified.

        Raises:
            FileNotFoundError: the pack is gone; after `forget_removed` its objects are found where they are now.
        """
        fd = self._descriptors.get(location.pack)
        if fd is not None:
            return os.pread(fd, location.length, location.offset)
        fd = os.open(self._folder / location.pack, os.O_RDONLY | os.O_CLOEXEC)
        with self._lock:
            kept = len(self._descriptors) < _MAX_DESCRIPTORS and location.pack not in self._descriptors
            if kept:
                self._descriptors[location.pack] = fd
        try:
            return os.pread(fd, location.length, location.offset)
        finally:
            if not kept:
                os.close(fd)

    def known_damage(self, raw: bytes) -> Location | None:
        """Where an object lies that was found damaged, and has no other copy."""
        return self._bad.get(raw)

    def elsewhere(self, raw: bytes, bad: Location | None) -> Iterator[Location]:
        """Other places that hold the object, found by reading every pack's index; for repair, not for speed."""
        for name in sorted(self._folder.glob("*.pack")):
            for entry in _entries(name):
                location = Location(name.name, entry.offset, entry.length)
                if entry.raw == raw and location != bad:
                    yield location

    def correct(self, placed: Iterable[tuple[bytes, Location]]) -> None:
        """Objects are not where they were thought to be, but here."""
        with self._lock:
            self._where.update(placed)

    def distrust(self, raw: bytes, bad: Location) -> None:
        """An object is damaged here and lies nowhere else: the next put writes it anew."""
        with self._lock:
            self._bad[raw] = bad
            self._where.pop(raw, None)

    def all(self) -> dict[bytes, Location]:
        """Every packed object."""
        with self._lock:
            self.refresh()
            return self._bad | dict(self._cached().all()) | self._where

    def is_open(self, name: str) -> bool:
        """Whether the pack had no footer when it was last looked at."""
        return name in self._open

    def open_packs(self) -> list[str]:
        """The packs that have no footer yet."""
        with self._lock:
            self.refresh()
            return list(self._open)

    def refresh(self) -> None:
        """Take in new packs and what was appended to the open ones."""
        with self._lock:
            self._refreshed = time.monotonic()
            if self._folder_changed():
                self._sealed_names = self._cached().names()
                for path in sorted(self._folder.glob("*.pack")):
                    if path.name not in self._sealed_names and path.name not in self._open:
                        with contextlib.suppress(FileNotFoundError):  # gc removed it meanwhile
                            self._open[path.name] = _Open(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            for name, known in list(self._open.items()):
                if name != self._owned:
                    self._extend(name, known)

    def close(self) -> None:
        with self._lock:
            retired = [fd for _, fd in self._retired]
            for fd in (*self._descriptors.values(), *(known.fd for known in self._open.values()), *retired):
                os.close(fd)
            self._retired.clear()
            self._descriptors.clear()
            self._open.clear()
            self._where.clear()
            self._listed_ns = -1
            if self._sealed is not None:
                self._sealed.close()
                self._sealed = None

    def _cached(self) -> SealedIndex:
        if self._sealed is None:
            self._sealed = SealedIndex(self._cache)
        return self._sealed

    def _folder_changed(self) -> bool:
        changed = self._folder.stat().st_mtime_ns
        if changed == self._listed_ns:
            return False
        # A folder changed in the same tick as it was listed looks unchanged: believe only what is old enough.
        self._listed_ns = changed if time.time_ns() - changed > _RACY_NS else -1
        return True

    def _extend(self, name: str, known: _Open) -> None:
        status = os.fstat(known.fd)
        if status.st_size <= known.end:
            return
        pack.check_header(known.fd, name)
        sealed = pack.read_footer(known.fd, status.st_size)
        if sealed is not None:
            self.add_sealed(name, sealed)
            return
        entries = list(pack.scan(known.fd, known.end, status.st_size))
        known.end = pack.end_of(entries[-1]) if entries else known.end
        if is_suspect(status):
            entries = [entry for entry in entries if intact(known.fd, entry)]
        for entry in entries:
            self._where.setdefault(entry.raw, Location(name, entry.offset, entry.length))


def intact(fd: int, entry: pack.Entry) -> bool:
    """Whether a record's bytes are those that its digest names."""
    return blake3(os.pread(fd, entry.length, entry.offset)).digest() == entry.raw


def _entries(path: Path) -> list[pack.Entry]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # gc removed it meanwhile
        return []
    try:
        size = os.fstat(fd).st_size
        return pack.read_footer(fd, size) or list(pack.scan(fd, 0, size))
    finally:
        os.close(fd)


def is_suspect(status: os.stat_result) -> bool:
    """Whether a file was last written before the machine started.

    A power cut may then have left records that look whole without their bytes.
    """
    return status.st_mtime < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
