"""Which objects a bucket's packs hold: their footers, read once each and kept in a local cache by the packs' names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mulle.errors import StoreError
from mulle.store import pack, packing
from mulle.store.bucket import Bucket
from mulle.store.files import explained
from mulle.store.sealed import Location, SealedIndex

_PARALLEL = 8


class Footers:
    """The index over all packs of a bucket. Thread-safe. The cache may be deleted at any time."""

    def __init__(self, bucket: Bucket, cache: Path, count: Callable[..., None]) -> None:
        self._bucket = bucket
        self._path = cache
        self._count = count
        self._index: SealedIndex | None = None
        self._fresh = False
        self._lock = threading.RLock()

    def find(self, raw: bytes, *, fresh: bool = False) -> Location | None:
        """An object's place; with `fresh`, packs that others sent since are looked for before it is said to be absent.

        The bucket is listed at least once.
        """
        with self._lock:
            if not self._fresh:
                self.refresh()
            location = self._opened().find(raw)
            if location is None and fresh and self.refresh():
                location = self._opened().find(raw)
            return location

    def find_many(self, raws: Sequence[bytes]) -> dict[bytes, Location]:
        """The places of those that are packed; what others sent since is looked for where one is not known."""
        with self._lock:
            if not self._fresh:
                self.refresh()
            found = self._opened().find_many(raws)
            if len(found) < len(raws) and self.refresh():
                found = self._opened().find_many(raws)
            return found

    def refresh(self) -> bool:
        """List the bucket and read the footers that are new; whether there were any."""
        with self._lock:
            there = {key.rpartition("/")[2][:-4] for key, _ in self._bucket.keys("packs") if key.endswith(".idx")}
            known = {name.removesuffix(".pack") for name in self._opened().names()}
            if known - there:
                self._forget()
                known = set()
            new = sorted(there - known)
            with ThreadPoolExecutor(_PARALLEL) as pool:
                for name, entries in zip(new, pool.map(self._read, new), strict=True):
                    self._opened().add(f"{name}.pack", entries)
            self._fresh = True
            return bool(new)

    def add(self, name: str, entries: list[pack.Entry]) -> None:
        """Learn of a pack that was just sent."""
        with self._lock:
            self._opened().add(name, entries)

    def all(self) -> Iterator[tuple[bytes, Location]]:
        """Every packed object."""
        with self._lock:
            yield from list(self._opened().all())

    def close(self) -> None:
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    def _read(self, name: str) -> list[pack.Entry]:
        """A pack's entries from its footer, or from the end of the pack itself where the footer is damaged."""
        data = self._bucket.read(f"packs/{name}.idx") or b""
        self._count(received=len(data))
        where = f"{self._bucket.url}/packs/{name}.idx"
        try:
            return packing.entries_of(data, where)
        except StoreError:
            size = self._bucket.size(f"packs/{name}.pack")
            if size is None:
                raise
            return packing.entries_of(self._bucket.read(f"packs/{name}.pack") or b"", where)

    def _opened(self) -> SealedIndex:
        if self._index is None:
            with explained("preparing the cache of a remote", self._path.parent):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._index = SealedIndex(self._path)
        return self._index

    def _forget(self) -> None:
        """Packs are gone there: what the cache says of any may be wrong."""
        self.close()
        self._path.unlink(missing_ok=True)
