"""What a store on another machine can do beyond `ObjectStore`: many objects in one request, and files in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from mulle.store.port import ObjectStore
from mulle.types import Digest


class RemoteStore(ObjectStore, Protocol):
    """An object store that is far away: each request costs a round trip, so they come in batches.

    Any thread. Every call may be repeated, also after a connection was cut or this process was killed in its midst:
    what arrived is found again. Nothing half-written can be seen.
    """

    url: str
    """Where it is, without secrets."""
    sent: int
    """Bytes of objects and indexes that went there so far."""
    received: int
    """Bytes of objects and indexes that came from there so far."""

    def missing(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of the objects that are not there, in the given order."""

    def send(self, items: Sequence[tuple[Digest, bytes]]) -> None:
        """Put objects there in one request; together they should be no more than some 16 MiB."""

    def send_file(self, digest: Digest, path: Path) -> None:
        """Put a file there whose digest is known; what changed meanwhile is refused.

        Raises:
            StoreError: the file's bytes are not those that the digest names; nothing was put.
        """

    def fetch(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Those of the objects that lie there in packs, each verified, in an order that suits the store.

        At most some MiB are in memory. Large ones are passed over: `path` fetches those.

        Raises:
            StoreError: one is damaged; its name is in the message.
        """

    def read_range(self, digest: Digest, offset: int, length: int) -> bytes:
        """Some bytes of an object. They cannot be verified alone."""

    def is_large(self, digest: Digest) -> bool:
        """Whether the object lies there as a file of its own."""

    def recipe(self, digest: Digest) -> bytes | None:
        """How a large object is made of others that are there, as it travels; None where it lies there itself."""

    def send_recipe(self, digest: Digest, told: bytes) -> None:
        """Say how a large object is made of others, which must be there already."""

    def close(self) -> None:
        """Let go of connections and caches; what was put but not flushed is lost."""
