"""This workspace's objects, and behind them those of a remote: what is missing here is fetched, verified and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.errors import StoreError
from mulle.hashing import from_raw
from mulle.store.recipes import decode

if TYPE_CHECKING:
    from mulle.store import Damage, ObjectStore
    from mulle.store.remote import RemoteStore
    from mulle.types import Digest

_ALONE = 1 << 20
Tell = Callable[[int, int], None]


class Through:
    """An `ObjectStore` that reads from both stores and writes to the local one. Thread-safe as they are."""

    def __init__(self, local: ObjectStore, remote: RemoteStore, tell: Tell = lambda objects, size: None) -> None:  # noqa: ARG005
        """`tell` hears of each object that came: one more, and its length."""
        self.local = local
        self.remote = remote
        self.objects = 0
        self.bytes = 0
        self._tell = tell

    def bring(self, digests: Sequence[Digest]) -> None:
        """Fetch those of the objects that are not here, in as few requests as the remote can.

        Raises:
            StoreError: one is missing or damaged there.
        """
        absent = [digest for digest in dict.fromkeys(digests) if not self.local.has(digest)]
        if not absent:
            return
        large = {digest for digest in absent if self.remote.is_large(digest)}
        for digest, data in self.remote.fetch(digest for digest in absent if digest not in large):
            self._keep(digest, self.local.put(data), len(data))
        for digest in absent:
            if digest in large:
                self._bring_file(digest)

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
        self.objects += 1
        self.bytes += size
        self._tell(1, size)
