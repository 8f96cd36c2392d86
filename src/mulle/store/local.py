"""The object store in a local folder: small objects in packs, large ones as files."""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import from_raw, to_raw
from mulle.store.cooking import Cooking
from mulle.store.files import Files, explained
from mulle.store.index import PackIndex
from mulle.store.leases import Lease, lease_of, let_go
from mulle.store.loose import LooseObjects, damaged
from mulle.store.port import Damage
from mulle.store.pouring import Sink
from mulle.store.recipes import LEAST, Recipes
from mulle.store.sealed import Location
from mulle.store.sweep import WASTE, Parts, Swept, sweep
from mulle.store.writer import PACK_LIMIT, PackWriter
from mulle.types import Digest

SMALL = 1 << 20
"""Objects up to this length go into packs."""
_OLD_SECONDS = 3600.0
_TEMPORARY = re.compile(r"(\d+)-[0-9a-f]{16}")


class LocalStore:
    """An `ObjectStore` in a folder. Several processes may use the folder at once; each appends to a pack of its own."""

    def __init__(
        self,
        root: Path,
        durable: bool = True,
        *,
        small: int = SMALL,
        pack_limit: int = PACK_LIMIT,
        large: int = LEAST,
        files: Files | None = None,
    ) -> None:
        self.root = root
        self.durable = durable
        self.small = small
        self.pack_limit = pack_limit
        self.large = large
        self._files = files or Files()
        self._packs, self._objects, self._recipes = root / "packs", root / "objects", root / "recipes"
        self._temporary, self._extracted = root / "tmp", root / "tmp" / "objects"
        with explained("preparing the object store", root):
            self._prepare()
        self._begin()

    def _prepare(self) -> None:
        folders = (self._packs, self._objects, self._extracted)
        if not all(folder.is_dir() for folder in folders):
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            if self.durable:
                self._files.sync_folder(self.root)
                self._files.sync_folder(self.root.parent)
        _sweep(self._temporary)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._index = PackIndex(self._packs, self.root / "packs.db")
        self._lease = lease_of(self.root, self._files)
        self._seen = -1
        self._loose = LooseObjects(
            self._objects,
            self._temporary,
            self._files,
            durable=self.durable,
            claim=lambda digest: self._claim(to_raw(digest)),
        )
        self._cache = LooseObjects(self._extracted, self._temporary, self._files, durable=False)
        self._writer = PackWriter(self._packs, self._index, self._files, durable=self.durable, limit=self.pack_limit)
        self._borrowed: set[str] = set()
        self._cooking = Cooking(
            Recipes(self._recipes, self._files, durable=self.durable),
            self._loose,
            self._files,
            put=self.put,
            get=self.get,
            safe=self.flush,
            claim=self._claim,
            small=self.small,
            least=self.large,
            durable=self.durable,
        )
        self._let_go = weakref.finalize(self, _let_go, self._pid, self._writer, self._index, self._lease)

    def _mine(self) -> None:
        """After a fork, begin anew: descriptors, locks and the open pack belong to the parent."""
        if self._pid != os.getpid():
            self._let_go.detach()
            self._writer.close()
            self._begin()

    def session(self) -> AbstractContextManager[None]:
        """Within the block nothing that is put or found is deleted by gc, however long it takes. May be nested."""
        self._mine()
        return self._lease.session()

    def _claim(self, raw: bytes) -> None:
        """What follows counts on this object being there, now and until it is named: gc must not take it."""
        self._lease.touch()
        self._look_anew()
        if raw in self._lease.condemned:
            self._lease.pardon(raw)
            self._index.forget_removed()

    def _look_anew(self) -> None:
        """What was remembered before the lease learned what is condemned may have been moved or deleted since."""
        if self._seen != self._lease.number:
            self._seen = self._lease.number
            self._index.forget_removed()

    def put(self, data: bytes) -> Digest:
        self._mine()
        raw = blake3(data).digest()
        digest = from_raw(raw)
        with explained("writing an object", self.root):
            if len(data) > self.small:
                self._loose.put(data, digest)
            else:
                self._claim(raw)
                with self._lock:
                    self._put_small(raw, data)
        return digest

    def _put_small(self, raw: bytes, data: bytes) -> None:
        location = self._index.find(raw, fresh=True)
        if location is None:
            self._writer.append(raw, data)
        elif location.pack != self._writer.name and self._index.is_open(location.pack):
            self._borrowed.add(location.pack)  # another writer's, perhaps not yet safe: our flush makes it so

    def put_written(self, write: Callable[[Sink], None]) -> tuple[Digest, int]:
        """Keep a large object as `write` writes it, piece by piece; its digest and length."""
        self._mine()
        with explained("writing an object", self.root):
            return self._loose.put_written(write)

    def put_many(self, objects: Sequence[bytes]) -> list[Digest]:
        """Keep several objects, as `put` does each, with fewer writes and questions; give their names in order."""
        return [from_raw(raw) for raw in self.keep_many(objects)]

    def keep_many(self, objects: Sequence[bytes]) -> list[bytes]:
        """As `put_many`, but gives the raw digests."""
        self._mine()
        raws = [blake3(data).digest() for data in objects]
        small = {raw: data for raw, data in zip(raws, objects, strict=True) if len(data) <= self.small}
        with explained("writing objects", self.root):
            self._lease.touch()
            self._look_anew()
            for raw in self._lease.condemned.intersection(raws):
                self._claim(raw)
            with self._lock:
                found = self._index.find_many(list(small))
                borrowed = {where.pack for where in found.values() if where.pack != self._writer.name}
                self._borrowed |= {name for name in borrowed if self._index.is_open(name)}
                self._writer.append_many([(raw, data) for raw, data in small.items() if raw not in found])
            for raw, data in zip(raws, objects, strict=True):
                if raw not in small:
                    self._loose.put(data, from_raw(raw))
        return raws

    def put_file(self, path: Path, *, former: Digest | None = None) -> Digest:
        """As the port says; of a large file only what an object that it replaces (`former`) lacks is written."""
        with explained(f"reading {path}", path):
            size = path.stat().st_size
            data = path.read_bytes() if size <= self.small else None
        if data is not None:
            return self.put(data)
        self._mine()
        with explained(f"writing the bytes of {path} as an object", self.root):
            made = None if former is None or size < self.large else self._cooking.keep_file(path, former)
            return self._loose.put_file(path) if made is None else made

    def bases(self, digest: Digest) -> set[Digest]:
        """The objects that an object's bytes lie in; none where it lies here itself."""
        self._mine()
        to_raw(digest)
        with explained(f"reading {digest}", self.root):
            return self._cooking.bases(digest)

    def recipe(self, digest: Digest) -> bytes | None:
        """How an object is made of its `bases`, as it travels; None where it lies here itself."""
        self._mine()
        to_raw(digest)
        with explained(f"reading {digest}", self.root):
            return self._cooking.told(digest)

    def take_recipe(self, digest: Digest, told: bytes) -> None:
        """Keep an object as what it is made of, which must be here.

        Raises:
            StoreError: it is not, or it does not make the object; nothing was kept.
        """
        self._mine()
        to_raw(digest)
        with explained(f"writing {digest}", self.root):
            self._cooking.take(digest, told)

    def get(self, digest: Digest) -> bytes:
        self._mine()
        raw = to_raw(digest)
        with explained(f"reading {digest}", self.root):
            location = self._index.find(raw)
            if location is None:
                try:
                    return self._loose.get(digest)
                except FileNotFoundError:
                    location = self._index.find(raw, fresh=True)
            if location is None and (cooked := self._cooking.get(digest)) is not None:
                return cooked
            if location is not None:
                data = self._read(raw, location)
                if blake3(data).digest() == raw:
                    return data
            return self._other_copy(raw, location or self._index.known_damage(raw))

    def read_many(self, raws: Sequence[bytes]) -> list[bytes]:
        """As `get` for each raw digest, with fewer questions to the index; for objects that are packed."""
        self._mine()
        with explained("reading objects", self.root):
            found = self._index.find_many(raws)
            data = [self._read(raw, found[raw]) if raw in found else b"" for raw in raws]
        return [
            one if blake3(one).digest() == raw else self.get(from_raw(raw)) for raw, one in zip(raws, data, strict=True)
        ]

    def _read(self, raw: bytes, location: Location) -> bytes:
        """The bytes at a place, or where gc has moved them meanwhile; empty where they are gone."""
        try:
            return self._index.read(location)
        except FileNotFoundError:
            self._index.forget_removed()
            moved = self._index.find(raw, fresh=True)
            return b"" if moved is None else self._index.read(moved)

    def _other_copy(self, raw: bytes, bad: Location | None) -> bytes:
        """The last resort for an object that is damaged, or not where the index says: look through every pack."""
        for other in self._index.elsewhere(raw, bad):
            data = self._index.read(other)
            if blake3(data).digest() == raw:
                self._index.correct([(raw, other)])
                return data
        if bad is None:
            raise _missing(from_raw(raw))
        self._index.distrust(raw, bad)
        raise damaged(from_raw(raw), f"{self._packs / bad.pack} at byte {bad.offset}")

    def path(self, digest: Digest) -> Path:
        self._mine()
        to_raw(digest)
        with explained(f"reading {digest}", self.root):
            try:
                return self._loose.check(digest)
            except FileNotFoundError:
                pass
            try:
                return self._cache.check(digest)
            except (FileNotFoundError, StoreError):
                pass
            if (recipe := self._cooking.find(digest)) is not None:
                self._cache.put_pieces(self._cooking.pieces(recipe), digest)
            else:
                self._cache.put(self.get(digest), digest)
            return self._cache.path(digest)

    def unverified(self, digest: Digest) -> Path:
        """As `path`, but what lies there as a file is not read: for one who checks the bytes while copying them."""
        self._mine()
        to_raw(digest)
        path = self._loose.path(digest)
        return path if path.exists() else self.path(digest)

    def has(self, digest: Digest) -> bool:
        self._mine()
        raw = to_raw(digest)
        with explained(f"looking for {digest}", self.root):
            self._claim(raw)
            if self._index.find(raw) or self._loose.has(digest) or self._index.find(raw, fresh=True):
                return True
            bases = self._cooking.bases(digest)
            return bool(bases) and all(self.has(base) for base in bases)

    def missing(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of the objects that are not here, in their order: what `has` says of each, for many at once."""
        self._mine()
        raws = [to_raw(digest) for digest in digests]
        with explained("looking for objects", self.root):
            self._lease.touch()
            self._look_anew()
            for raw in self._lease.condemned.intersection(raws):
                self._claim(raw)
            packed = self._index.find_many(raws)
            rest = [digest for digest, raw in zip(digests, raws, strict=True) if raw not in packed]
            recipes = self._cooking.path
            return [one for one in rest if not (self._loose.has(one) or (recipes(one).exists() and self.has(one)))]

    def size(self, digest: Digest) -> int:
        self._mine()
        with explained(f"looking for {digest}", self.root):
            location = self._index.find(to_raw(digest), fresh=True)
            if location is not None:
                return location.length
            found = self._cooking.find(digest)
            if found is None:
                raise _missing(digest)
            return found.size

    def head(self, digest: Digest, length: int) -> bytes:
        """The first bytes of an object, unverified: to see what it may be, not to be used."""
        self._mine()
        with explained(f"reading {digest}", self.root):
            location = self._index.find(to_raw(digest), fresh=True)
            if location is not None:
                return self._read(to_raw(digest), location._replace(length=min(length, location.length)))
            found = self._cooking.find(digest)
            if found is None:
                raise _missing(digest)
            return next(self._cooking.pieces(found), b"")[:length]

    def flush(self) -> None:
        self._mine()
        with explained("making objects safe from a power cut", self.root), self._lock:
            self._writer.flush()
            for name in sorted(self._borrowed):
                self._sync_pack(name)
            self._borrowed.clear()
            self._loose.flush()

    def _sync_pack(self, name: str) -> None:
        if not self.durable:
            return
        try:
            fd = os.open(self._packs / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # gc has rewritten it, safely
            return
        try:
            self._files.sync(fd)
        finally:
            os.close(fd)
        self._files.sync_folder(self._packs)

    def let_go(self) -> None:
        """Leave the open pack to whoever writes next, another process perhaps."""
        self.flush()
        with self._lock:
            self._writer.close()

    def digests(self) -> Iterator[Digest]:
        self._mine()
        packed = self._index.all()
        yield from map(from_raw, packed)
        for digest in self._loose.digests():
            if to_raw(digest) not in packed:
                yield digest
        for digest in self._cooking.digests():
            if to_raw(digest) not in packed and not self._loose.has(digest):
                yield digest

    def verify(self) -> Iterator[Damage]:
        """What gc removes meanwhile is not damaged, it is gone."""
        self._mine()
        self._index.forget_removed()
        for raw, location in self._index.all().items():
            problem, path = self._problem(raw, location), self._packs / location.pack
            if problem and path.exists() and not self._has_other_copy(raw, location):
                yield Damage(from_raw(raw), f"{path} at byte {location.offset}", problem)
        for digest in self._loose.digests():
            yield from _damage(digest, self._loose.path(digest), self._loose.get)
        for digest in self._cooking.digests():
            yield from _damage(digest, self._cooking.path(digest), self._cooking.check)

    def _problem(self, raw: bytes, location: Location) -> str:
        try:
            return "" if blake3(self._index.read(location)).digest() == raw else _OTHER_BYTES
        except OSError as error:
            return _reason(error)

    def _has_other_copy(self, raw: bytes, bad: Location) -> bool:
        try:
            self._other_copy(raw, bad)
        except (StoreError, OSError):
            return False
        return True

    def sweep(
        self,
        mark: Callable[[], Collection[bytes]],
        *,
        grace: float,
        dry_run: bool = False,
        waste: float = WASTE,
        kind: Callable[[bytes], str] | None = None,
    ) -> Swept:
        """As `SweepableStore` says."""
        self._mine()
        parts = Parts(
            self.root,
            self._packs,
            self._objects,
            self._recipes,
            self._index,
            self._loose,
            self._cache,
            self._lease,
            self._files,
            self._give_up,
            self._cooking.remove,
        )

        def reached() -> Collection[bytes]:
            return self._cooking.with_bases(mark())

        return sweep(parts, reached, grace=grace, now=time.time(), dry_run=dry_run, waste=waste, kind=kind)

    def _give_up(self, name: str) -> None:
        with self._lock:
            if name == self._writer.name:
                self._writer.seal()

    def close(self) -> None:
        """Let go of the files; what was put stays."""
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_OTHER_BYTES = "its bytes have another digest"


def _let_go(pid: int, writer: PackWriter, index: PackIndex, lease: Lease) -> None:
    if pid == os.getpid():
        writer.close()
        index.close()
        let_go(lease)


def _damage(digest: Digest, path: Path, read: Callable[[Digest], object]) -> Iterator[Damage]:
    try:
        read(digest)
    except (StoreError, OSError) as error:
        if path.exists():
            yield Damage(digest, str(path), _reason(error))


def _reason(error: Exception) -> str:
    return f"it cannot be read: {error.strerror}" if isinstance(error, OSError) else _OTHER_BYTES


def _missing(digest: Digest) -> StoreError:
    return StoreError(
        f"the object {digest} is not in this workspace",
        cause="it was never put here, or its file was removed",
        cure="restore it from a backup, or run the pipeline that made it again",
    )


def _sweep(folder: Path) -> None:
    """Delete what writers left that died long ago."""
    for path in folder.iterdir():
        match = _TEMPORARY.fullmatch(path.name)
        try:
            if match and not Path(f"/proc/{match[1]}").exists() and time.time() - path.stat().st_mtime > _OLD_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue
