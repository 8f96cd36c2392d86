"""The port that every object store implements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from mulle.types import Digest


class Damage(msgspec.Struct, frozen=True):
    """One object that is not what its name says: where it lies and what is wrong with it."""

    digest: Digest
    where: str
    problem: str


class ObjectStore(Protocol):
    """Immutable bytes named by their digest.

    Any thread and any number of processes may use one store at once. Every method may be called again with the same
    arguments, to the same effect. What cannot be read or written is a StoreError with its cure, and leaves nothing
    half-written behind.
    """

    def put(self, data: bytes) -> Digest:
        """Keep the bytes and return their name.

        Other processes find them at once; until flush() a power cut may lose them. Where the store collects garbage
        (see `SweepableStore`), they stay while this process lives, and for good once a row names them.
        """

    def put_file(self, path: Path) -> Digest:
        """Keep a file's bytes; the file itself stays as it is."""

    def get(self, digest: Digest) -> bytes:
        """The bytes, verified: a damaged object is an error, never a wrong answer."""

    def path(self, digest: Digest) -> Path:
        """A local file with exactly these bytes, verified, to be read or mapped, never written."""

    def has(self, digest: Digest) -> bool:
        """Whether the object is there; a yes holds as a put does, so that who hears it need not put the object."""

    def size(self, digest: Digest) -> int:
        """The length of the object."""

    def flush(self) -> None:
        """Make everything put so far safe from a power cut. A database row may name an object only after this."""

    def digests(self) -> Iterator[Digest]:
        """The names of all objects, each once, in no order."""

    def verify(self) -> Iterator[Damage]:
        """Read everything and yield what is damaged."""
