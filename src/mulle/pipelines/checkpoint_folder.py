"""A folder that keeps one value and replaces it whole: `objects/`, `scratch/`, and `newest`, which says what it is.

It is an object store of its own, beside the workspace's: what a newer checkpoint does not need is deleted at once,
however large it is, and what both have in common is written once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mulle.errors import StoreError
from mulle.hashing import digest_bytes
from mulle.store.files import Files, explained, replace
from mulle.store.loose import LooseObjects
from mulle.store.port import Damage
from mulle.store.pouring import Sink
from mulle.types import Digest


class CheckpointFolder:
    """An `ObjectStore` of what the newest checkpoint needs. One process writes to it at a time."""

    def __init__(self, root: Path, *, durable: bool = True, files: Files | None = None) -> None:
        self.root = root
        self.scratch = root / "scratch"
        self.durable = durable
        self._files = files or Files()
        self._loose = LooseObjects(root / "objects", self.scratch, self._files, durable=durable)
        self._needed: set[Digest] = set()

    def __enter__(self) -> Self:
        with explained("writing a checkpoint", self.root):
            for folder in (self.root / "objects", self.scratch):
                folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was put and not committed stays until the next commit."""

    def newest(self) -> bytes:
        """What was committed last."""
        return (self.root / "newest").read_bytes()

    def commit(self, content: bytes) -> None:
        """Name what was put as the newest, and delete what only an older one needed."""
        self.flush()
        with explained("writing a checkpoint", self.root):
            replace(self._files, self.root / "newest", content, durable=self.durable)
            if self.durable:
                self._files.sync_folder(self.root.parent)
            for digest in list(self._loose.digests()):
                if digest not in self._needed:
                    self._loose.remove(digest)

    def remove(self) -> None:
        """Delete the folder; one that is not there stays so."""
        shutil.rmtree(self.root, ignore_errors=True)

    # -- the object store --------------------------------------------------------------------------------------------

    def put(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        with explained("writing a checkpoint", self.root):
            self._loose.put(data, digest)
        self._needed.add(digest)
        return digest

    def put_written(self, write: Callable[[Sink], None]) -> tuple[Digest, int]:
        """Keep a large object as `write` writes it, piece by piece; its digest and length."""
        with explained("writing a checkpoint", self.root):
            digest, size = self._loose.put_written(write)
        self._needed.add(digest)
        return digest, size

    def put_file(self, path: Path) -> Digest:
        with explained(f"keeping {path} in a checkpoint", self.root):
            digest = self._loose.put_file(path)
        self._needed.add(digest)
        return digest

    def get(self, digest: Digest) -> bytes:
        with explained("reading a checkpoint", self.root):
            return self._loose.get(digest)

    def path(self, digest: Digest) -> Path:
        with explained("reading a checkpoint", self.root):
            return self._loose.check(digest)

    def has(self, digest: Digest) -> bool:
        return self._loose.has(digest)

    def size(self, digest: Digest) -> int:
        with explained("reading a checkpoint", self.root):
            return self._loose.path(digest).stat().st_size

    def flush(self) -> None:
        with explained("writing a checkpoint", self.root):
            self._loose.flush()

    def digests(self) -> Iterator[Digest]:
        yield from self._loose.digests()

    def verify(self) -> Iterator[Damage]:
        for digest in self._loose.digests():
            try:
                self._loose.check(digest)
            except StoreError as error:
                yield Damage(digest, str(self._loose.path(digest)), error.message)
