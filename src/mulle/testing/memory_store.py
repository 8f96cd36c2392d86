"""An object store in memory, for tests that need no files."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, to_raw
from mulle.store import Damage
from mulle.store.sweep import WASTE, Amount, Swept
from mulle.types import Digest


class MemoryStore:
    """An `ObjectStore` that lives as long as the object; `path()` writes to a temporary folder."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._objects: dict[Digest, bytes] = {}
        self._condemned: dict[Digest, float] = {}
        self._put_at: dict[Digest, float] = {}
        self._clock = clock
        self._folder = Path(tempfile.mkdtemp(prefix="mulle-memory-store-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        self._objects[digest] = bytes(data)
        self._put_at[digest] = self._clock()
        self._condemned.pop(digest, None)
        return digest

    def put_file(self, path: Path) -> Digest:
        try:
            return self.put(path.read_bytes())
        except OSError as error:
            raise StoreError(f"reading {path} failed", cause=error.strerror, cure=f"check the path {path}") from error

    def get(self, digest: Digest) -> bytes:
        to_raw(digest)
        if digest not in self._objects:
            raise StoreError(f"the object {digest} is not here", cause="it was never put here", cure="put it first")
        data = self._objects[digest]
        if digest_bytes(data) != digest:
            raise StoreError(
                f"the object {digest} is damaged", cause="its bytes changed in memory", cure="put it again"
            )
        return data

    def path(self, digest: Digest) -> Path:
        path = self._folder / to_raw(digest).hex()
        if not path.exists():
            path.write_bytes(self.get(digest))
        return path

    def has(self, digest: Digest) -> bool:
        to_raw(digest)
        self._condemned.pop(digest, None)
        return digest in self._objects

    def size(self, digest: Digest) -> int:
        return len(self.get(digest))

    def flush(self) -> None:
        return

    def digests(self) -> Iterator[Digest]:
        yield from list(self._objects)

    def verify(self) -> Iterator[Damage]:
        for digest, data in list(self._objects.items()):
            if digest_bytes(data) != digest:
                yield Damage(digest, "memory", "its bytes have another digest")

    def session(self) -> AbstractContextManager[None]:
        """As `SweepableStore` says; nobody else is here."""
        return nullcontext()

    def sweep(
        self,
        mark: Callable[[], Collection[bytes]],
        *,
        grace: float,
        dry_run: bool = False,
        waste: float = WASTE,
        kind: Callable[[bytes], str] | None = None,
    ) -> Swept:
        """As `SweepableStore` says; there are no packs here, and no other processes."""
        del waste
        swept, now, reached = Swept(dry_run=dry_run), self._clock(), mark()
        for digest, data in list(self._objects.items()):
            at = self._condemned.get(digest)
            if to_raw(digest) in reached:
                amount = swept.kept
                if at is not None:
                    swept.pardoned.add(len(data))
                    self._condemned.pop(digest)
            elif not grace or (at is not None and at <= now - grace):
                amount = swept.freed
                if not dry_run:
                    del self._objects[digest]
                    self._condemned.pop(digest, None)
            elif at is not None:
                amount = swept.waiting
            elif self._put_at[digest] <= now - grace:
                amount = swept.condemned
                if not dry_run:
                    self._condemned[digest] = now
            else:
                amount = swept.young
            amount.add(len(data))
            if kind is not None and amount is not swept.kept and amount is not swept.young:
                swept.kinds.setdefault(kind(data[:64]), Amount()).add(len(data))
        return swept

    def damage(self, digest: Digest) -> None:
        """Change an object's bytes, as a failing disk would."""
        self._objects[digest] += b"\0"
