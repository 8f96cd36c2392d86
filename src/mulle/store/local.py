"""The object store in a local folder: small objects in packs, large ones as files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import from_raw, to_raw
from mulle.store.files import Files, explained
from mulle.store.index import Location, PackIndex
from mulle.store.loose import LooseObjects, chunks_of, damaged
from mulle.store.port import Damage
from mulle.store.writer import PACK_LIMIT, PackWriter
from mulle.types import Digest

SMALL = 1 << 20
"""Objects up to this length go into packs."""


class LocalStore:
    """An `ObjectStore` in a folder. Several processes may use the folder at once; each appends to a pack of its own."""

    def __init__(
        self, root: Path, durable: bool = True, *, small: int = SMALL, pack_limit: int = PACK_LIMIT, files: Files | None = None
    ) -> None:
        self.root = root
        self.durable = durable
        self._small = small
        self._pack_limit = pack_limit
        self._files = files or Files()
        self._packs, self._objects = root / "packs", root / "objects"
        self._temporary, self._extracted = root / "tmp", root / "tmp" / "objects"
        with explained("preparing the object store", root):
            for folder in (self._packs, self._objects, self._extracted):
                folder.mkdir(parents=True, exist_ok=True)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._index = PackIndex(self._packs)
        self._loose = LooseObjects(self._objects, self._temporary, self._files, durable=self.durable)
        self._cache = LooseObjects(self._extracted, self._temporary, self._files, durable=False)
        self._writer = PackWriter(
            self._packs, self._index, self._files, durable=self.durable, limit=self._pack_limit
        )
        self._borrowed: set[str] = set()

    def _mine(self) -> None:
        """After a fork, begin anew: descriptors, locks and the open pack belong to the parent."""
        if self._pid != os.getpid():
            self._writer.close()
            self._index.close()
            self._begin()

    def put(self, data: bytes) -> Digest:
        self._mine()
        with explained("writing an object", self.root):
            if len(data) > self._small:
                return self._loose.put(lambda: iter([data]))
            raw = blake3(data).digest()
            with self._lock:
                self._put_small(raw, data)
            return from_raw(raw)

    def _put_small(self, raw: bytes, data: bytes) -> None:
        location = self._index.find(raw, fresh=True)
        if location is None:
            self._writer.append(raw, data)
        elif location.pack != self._writer.name and not self._index.is_sealed(location.pack):
            self._borrowed.add(location.pack)  # another writer's, perhaps not yet safe: our flush makes it so

    def put_file(self, path: Path) -> Digest:
        self._mine()
        with explained(f"reading {path}", path.parent):
            if path.stat().st_size <= self._small:
                data = path.read_bytes()
                return self.put(data)
        with explained("writing an object", self.root):
            return self._loose.put(lambda: chunks_of(path))

    def get(self, digest: Digest) -> bytes:
        self._mine()
        raw = to_raw(digest)
        with explained(f"reading {digest}", self.root):
            location = self._index.find(raw)
            if location is None:
                try:
                    return self._loose.check(digest).read_bytes()
                except FileNotFoundError:
                    location = self._index.find(raw, fresh=True)
            if location is None:
                raise _missing(digest)
            return self._read(raw, location)

    def _read(self, raw: bytes, location: Location) -> bytes:
        data = self._index.read(location)
        if blake3(data).digest() == raw:
            return data
        return self._other_copy(raw, location)

    def _other_copy(self, raw: bytes, location: Location) -> bytes:
        """A damaged object may lie elsewhere too; if not, the next put writes it anew."""
        self._index.forget(raw)
        for other in self._index.copies(raw):
            data = self._index.read(other)
            if blake3(data).digest() == raw:
                return data
        raise damaged(from_raw(raw), str(self._packs / location.pack))

    def path(self, digest: Digest) -> Path:
        self._mine()
        with explained(f"reading {digest}", self.root):
            for objects in (self._loose, self._cache):
                try:
                    return objects.check(digest)
                except FileNotFoundError:
                    continue
                except StoreError:
                    if objects is self._loose:
                        raise
        data = self.get(digest)
        with explained(f"extracting {digest}", self.root):
            self._cache.put(lambda: iter([data]))
            return self._cache.path(digest)

    def has(self, digest: Digest) -> bool:
        self._mine()
        raw = to_raw(digest)
        return bool(self._index.find(raw) or self._loose.has(digest) or self._index.find(raw, fresh=True))

    def size(self, digest: Digest) -> int:
        self._mine()
        location = self._index.find(to_raw(digest), fresh=True)
        if location is not None:
            return location.length
        try:
            return self._loose.path(digest).stat().st_size
        except FileNotFoundError:
            raise _missing(digest) from None

    def flush(self) -> None:
        self._mine()
        with explained("making objects safe", self.root), self._lock:
            self._writer.flush()
            if self.durable:
                for name in sorted(self._borrowed):
                    self._sync_pack(name)
            self._borrowed.clear()
            self._loose.flush()

    def _sync_pack(self, name: str) -> None:
        fd = os.open(self._packs / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._files.sync(fd)
        finally:
            os.close(fd)
        self._files.sync_folder(self._packs)

    def digests(self) -> Iterator[Digest]:
        self._mine()
        packed = self._index.all()
        yield from map(from_raw, packed)
        for digest in self._loose.digests():
            if to_raw(digest) not in packed:
                yield digest

    def verify(self) -> Iterator[Damage]:
        self._mine()
        for raw, location in self._index.all().items():
            if blake3(self._index.read(location)).digest() != raw:
                where = f"{self._packs / location.pack}:{location.offset}"
                yield Damage(from_raw(raw), where, "its bytes have another digest")
        for digest in self._loose.digests():
            try:
                self._loose.check(digest)
            except StoreError:
                yield Damage(digest, str(self._loose.path(digest)), "its bytes have another digest")

    def close(self) -> None:
        """Let go of the files; what was put stays."""
        if self._pid == os.getpid():
            self._writer.close()
            self._index.close()

    def __enter__(self) -> LocalStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _missing(digest: Digest) -> StoreError:
    return StoreError(
        f"the object {digest} is not in this workspace",
        cause="it was never put here, or its file was removed",
        cure="restore it from a backup, or run the pipeline that made it again",
    )
