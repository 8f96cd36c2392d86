"""This workspace's objects, and behind them those of a remote: what is missing here is fetched, verified and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.errors import StoreError
from mulle.hashing import from_raw
from mulle.store.recipes import decode

if TYPE_CHECKING:
    from mulle.store import Damage, ObjectStore
    from mulle.store.remote import RemoteStore
    from mulle.types import Digest

_BATCH = 8 << 20
_PARALLEL = 4
Tell = Callable[[int, int], None]


class Through:
    """An `ObjectStore` that reads from both stores and writes to the local one. Thread-safe as they are."""

    def __init__(self, local: ObjectStore, remote: RemoteStore, tell: Tell = lambda objects, size: None) -> None:  # noqa: ARG005
        """`tell` hears of each object that came: one more, and its length."""
        self.local = local
        self.remote = remote
        self.objects = 0
        self.bytes = 0
        self.ranged = 0
        """Bytes of pieces of objects that came besides."""
        self._tell = tell
        self._lock = threading.Lock()

    def bring(self, digests: Sequence[Digest]) -> None:
        """Fetch those of the objects that are not here, in as few requests as the remote can.

        Raises:
            StoreError: one is missing or damaged there.
        """
        absent = dict.fromkeys(self._missing(list(dict.fromkeys(digests))))
        batch: list[tuple[Digest, bytes]] = []
        weight = 0
        for digest, data in self.remote.fetch(absent) if absent else ():
            batch.append((digest, data))
            weight += len(data)
            if weight > _BATCH:
                self._keep_all(absent, batch)
                batch, weight = [], 0
        self._keep_all(absent, batch)
        if absent:
            with ThreadPoolExecutor(_PARALLEL) as pool:
                list(pool.map(self._bring_file, absent))

    def _missing(self, digests: list[Digest]) -> list[Digest]:
        many: Callable[[Sequence[Digest]], list[Digest]] | None = getattr(self.local, "missing", None)
        return [each for each in digests if not self.local.has(each)] if many is None else many(digests)

    def _keep_all(self, absent: dict[Digest, None], batch: list[tuple[Digest, bytes]]) -> None:
        """Keep what came, and take it off those that are absent."""
        contents = [data for _, data in batch]
        many: Callable[[Sequence[bytes]], list[Digest]] | None = getattr(self.local, "put_many", None)
        kept = [self.local.put(data) for data in contents] if many is None else many(contents)
        for (digest, data), found in zip(batch, kept, strict=True):
            self._keep(digest, found, len(data))
            del absent[digest]

    def put(self, data: bytes) -> Digest:
        return self.local.put(data)

    def put_file(self, path: Path) -> Digest:
        return self.local.put_file(path)

    def get(self, digest: Digest) -> bytes:
        self.bring([digest])
        return self.local.get(digest)

    def path(self, digest: Digest) -> Path:
        self.bring([digest])
        return self.local.path(digest)

    def has(self, digest: Digest) -> bool:
        return self.local.has(digest) or self.remote.has(digest)

    def size(self, digest: Digest) -> int:
        return self.local.size(digest) if self.local.has(digest) else self.remote.size(digest)

    def flush(self) -> None:
        self.local.flush()

    def digests(self) -> Iterator[Digest]:
        yield from self.local.digests()

    def verify(self) -> Iterator[Damage]:
        yield from self.local.verify()

    def _bring_file(self, digest: Digest) -> None:
        take: Callable[[Digest, bytes], None] | None = getattr(self.local, "take_recipe", None)
        told = None if take is None else self.remote.recipe(digest)
        if take is not None and told is not None:
            self.bring(sorted({from_raw(each.raw) for each in decode(told, digest).ranges}))
            take(digest, told)
            self._keep(digest, digest, len(told))
            return
        path = self.remote.path(digest)
        self._keep(digest, self.local.put_file(path), path.stat().st_size)
        path.unlink(missing_ok=True)

    def _keep(self, digest: Digest, kept: Digest, size: int) -> None:
        if kept != digest:
            raise StoreError(
                f"the object {digest} changed on its way", cause=f"it became {kept}", cure="repeat the command"
            )
        with self._lock:
            self.objects += 1
            self.bytes += size
        self._tell(1, size)
