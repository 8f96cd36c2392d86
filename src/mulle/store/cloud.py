"""The object store in a bucket: small objects in sealed packs, large ones as files of their own.

    packs/<blake3>.pack   a sealed pack, named by the digest of its bytes
    packs/<blake3>.idx    its footer; written after the pack, so a pack without one is not there yet
    objects/<xx>/<hex>    a large object
    recipes/<xx>/<hex>    how a large object is made of others

The formats are those of a local store (`docs/en/reference/formats.md`). The footers are kept in a local cache by name:
what the bucket holds is known by listing it, without reading a byte of what was there before.
"""

from __future__ import annotations

import io
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import Hasher, digest_bytes, from_raw, is_digest, to_raw
from mulle.store import packing
from mulle.store.bucket import PIECE, Bucket
from mulle.store.files import explained
from mulle.store.footers import Footers
from mulle.store.loose import chunks_of
from mulle.store.outgoing import Outgoing
from mulle.store.port import Damage
from mulle.store.received import Received, refuse_other
from mulle.store.recipes import assembled, decode
from mulle.store.sealed import Location
from mulle.types import Digest

SMALL = 1 << 20
"""Objects up to this length travel in packs."""
_WHOLE = 16 << 20
_BATCH = 8 << 20
_PARALLEL = 4
_ASK_EACH = 20


class CloudStore:
    """A `RemoteStore` in a bucket.

    Small objects that are put one by one go out together, when there are 16 MiB of them or at `flush()`; until then
    only this store has them.
    """

    def __init__(self, bucket: Bucket, cache: Path, *, small: int = SMALL, pack_limit: int = packing.LIMIT) -> None:
        """`cache` is a local folder of its own for each bucket; it may be deleted at any time."""
        self.url = bucket.url
        self.sent = 0
        self.received = 0
        self._bucket = bucket
        self._small = small
        self._footers = Footers(bucket, cache / "packs.db", self._count)
        self._received = Received(cache)
        self._outgoing = Outgoing(self._send_pack, pack_limit)
        self._large: set[bytes] = set()
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Digest:
        raw = blake3(data).digest()
        digest = from_raw(raw)
        if len(data) > self._small:
            if not self.has(digest):
                self._put_large(digest, data)
            return digest
        if self._footers.find(raw) is None:
            self._outgoing.add(raw, data)
        return digest

    def put_file(self, path: Path) -> Digest:
        with explained(f"reading {path}", path):
            small = path.stat().st_size <= self._small
            data = path.read_bytes() if small else b""
            digest = digest_bytes(data) if small else _digest_of(path)
        if small:
            return self.put(data)
        if not self.has(digest):
            self.send_file(digest, path)
        return digest

    def get(self, digest: Digest) -> bytes:
        raw = to_raw(digest)
        data = self._outgoing.get(raw)
        if data is not None:
            return data
        location = self._footers.find(raw)
        if location is None:
            data = self._bucket.read(_key(digest))
            if data is None and (told := self.recipe(digest)) is not None:
                data = b"".join(self._made(told, digest))
            location = self._footers.find(raw, fresh=True) if data is None else None
        if location is not None:
            found = self._bucket.ranges(f"packs/{location.pack}", [(location.offset, location.length)])
            data = found[0] if found else None
        if data is None:
            raise self._absent(digest)
        self._count(received=len(data))
        return self._checked(digest, data)

    def path(self, digest: Digest) -> Path:
        to_raw(digest)
        return self._received.path(digest, lambda: self.size(digest), lambda offset: self._from(digest, offset))

    def has(self, digest: Digest) -> bool:
        return not self.missing([digest])

    def size(self, digest: Digest) -> int:
        raw = to_raw(digest)
        waiting = self._outgoing.get(raw)
        if waiting is not None:
            return len(waiting)
        location = self._footers.find(raw)
        found = self._bucket.size(_key(digest)) if location is None else location.length
        if found is None and (told := self.recipe(digest)) is not None:
            found = decode(told, digest).size
        if found is None and (location := self._footers.find(raw, fresh=True)) is not None:
            found = location.length
        if found is None:
            raise self._absent(digest)
        return found

    def flush(self) -> None:
        self._outgoing.flush()
        self._bucket.settle()

    def digests(self) -> Iterator[Digest]:
        self._footers.refresh()
        packed = set(self._outgoing)
        for raw, _ in self._footers.all():
            packed.add(raw)
        yield from map(from_raw, packed)
        for digest in self._large_ones():
            if to_raw(digest) not in packed:
                yield digest

    def verify(self) -> Iterator[Damage]:
        self._footers.refresh()
        packs: dict[str, list[tuple[bytes, Location]]] = defaultdict(list)
        for raw, location in self._footers.all():
            packs[location.pack].append((raw, location))
        for name, held in packs.items():
            for raw, data in self._batches(name, held):
                if data is None or blake3(data).digest() != raw:
                    yield Damage(from_raw(raw), f"{self.url}/packs/{name}", _problem(data))
        for digest in self._large_ones():
            hasher = Hasher()
            try:
                for piece in self._from(digest, 0):
                    hasher.update(piece)
            except StoreError as error:
                yield Damage(digest, f"{self.url}/{_key(digest)}", error.message)
                continue
            if hasher.digest() != digest:
                yield Damage(digest, f"{self.url}/{_key(digest)}", _problem(b""))

    def missing(self, digests: Sequence[Digest]) -> list[Digest]:
        raws = [to_raw(digest) for digest in digests]
        waiting = [raw for raw in raws if raw not in self._outgoing]
        packed = self._footers.find_many(list(dict.fromkeys(waiting)))
        absent = [raw for raw in waiting if raw not in packed]
        gone = set(self._not_large(absent))
        return [digest for digest, raw in zip(digests, raws, strict=True) if raw in gone]

    def send(self, items: Sequence[tuple[Digest, bytes]]) -> None:
        small = [(to_raw(digest), data) for digest, data in items if len(data) <= self._small]
        for digest, data in items:
            if len(data) > self._small:
                self._put_large(digest, data)
        if small:
            self._send_pack(small)

    def send_file(self, digest: Digest, path: Path) -> None:
        with explained(f"reading {path}", path):
            size = path.stat().st_size
            if size <= _WHOLE:
                data = path.read_bytes()
                refuse_other(digest, digest_bytes(data), str(path))
                self.send([(digest, data)])
                return
            self._bucket.write(_key(digest), _held_back(digest, path), size)
        self._large.add(to_raw(digest))
        self._count(sent=size)

    def fetch(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        packs: dict[str, list[tuple[bytes, Location]]] = defaultdict(list)
        for raw, location in self._footers.find_many([to_raw(each) for each in dict.fromkeys(digests)]).items():
            packs[location.pack].append((raw, location))
        for name, held in packs.items():
            for raw, data in self._batches(name, held):
                if data is None:
                    raise self._absent(from_raw(raw))
                yield from_raw(raw), self._checked(from_raw(raw), data)

    def read_range(self, digest: Digest, offset: int, length: int) -> bytes:
        location = self._footers.find(to_raw(digest))
        key, start = (_key(digest), 0) if location is None else (f"packs/{location.pack}", location.offset)
        found = self._bucket.ranges(key, [(start + offset, length)])
        if found is not None:
            self._count(received=length)
            return found[0]
        with self.path(digest).open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def is_large(self, digest: Digest) -> bool:
        raw = to_raw(digest)
        return raw not in self._outgoing and self._footers.find(raw) is None

    def recipe(self, digest: Digest) -> bytes | None:
        told = self._bucket.read(_recipe_key(digest))
        self._count(received=len(told or b""))
        return told

    def send_recipe(self, digest: Digest, told: bytes) -> None:
        self._create(_recipe_key(digest), told)
        self._large.add(to_raw(digest))
        self._count(sent=len(told))

    def close(self) -> None:
        """Let go of the cache."""
        self._footers.close()

    def _send_pack(self, items: list[tuple[bytes, bytes]]) -> None:
        """The pack first, then the footer that tells of it; a pack that is there already is the same one."""
        made = packing.seal(items)
        self._create(f"packs/{made.name}.pack", made.data)
        self._create(f"packs/{made.name}.idx", made.footer)
        self._footers.add(f"{made.name}.pack", made.entries)
        self._count(sent=len(made.data) + len(made.footer))

    def _create(self, key: str, data: bytes) -> None:
        """Write what its key names; what is there already is the same, or damaged."""
        if not self._bucket.create(key, data) and self._bucket.size(key) != len(data):
            raise StoreError(
                f"{self.url}/{key} is damaged",
                cause="it has another length than what its name says",
                cure=f"remove {self.url}/{key}, then repeat the command",
            )

    def _put_large(self, digest: Digest, data: bytes) -> None:
        pieces = (data[start : start + PIECE] for start in range(0, len(data), PIECE))
        if len(data) <= _WHOLE:
            self._create(_key(digest), data)
        else:
            self._bucket.write(_key(digest), pieces, len(data))
        self._large.add(to_raw(digest))
        self._count(sent=len(data))

    def _from(self, digest: Digest, offset: int) -> Iterator[bytes]:
        pieces = self._bucket.stream(_key(digest), offset) if self.is_large(digest) else None
        if pieces is None and self.is_large(digest) and (told := self.recipe(digest)) is not None:
            pieces = self._made(told, digest, offset)
        if pieces is None:
            yield self.get(digest)[offset:]
            return
        for piece in pieces:
            self._count(received=len(piece))
            yield piece

    def _made(self, told: bytes, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """An object's bytes from those of others, unverified; the others are verified."""
        return assembled(decode(told, f"{self.url}/{_recipe_key(digest)}"), self._open, offset)

    def _open(self, raw: bytes) -> BinaryIO:
        digest = from_raw(raw)
        return self.path(digest).open("rb", buffering=0) if self.is_large(digest) else io.BytesIO(self.get(digest))

    def _batches(self, name: str, held: list[tuple[bytes, Location]]) -> Iterator[tuple[bytes, bytes | None]]:
        """Objects of a pack with their bytes (None where the pack is gone), read in parallel batches."""
        batches: list[list[tuple[bytes, Location]]] = [[]]
        weight = 0
        for raw, location in sorted(held, key=lambda each: each[1].offset):
            if weight + location.length > _BATCH and batches[-1]:
                batches.append([])
                weight = 0
            batches[-1].append((raw, location))
            weight += location.length

        def read(batch: list[tuple[bytes, Location]]) -> list[bytes] | None:
            return self._bucket.ranges(f"packs/{name}", [(place.offset, place.length) for _, place in batch])

        with ThreadPoolExecutor(_PARALLEL) as pool:
            for start in range(0, len(batches), _PARALLEL):
                group = batches[start : start + _PARALLEL]
                for batch, found in zip(group, pool.map(read, group), strict=True):
                    self._count(received=sum(map(len, found or ())))
                    for place, (raw, _) in enumerate(batch):
                        yield raw, found[place] if found else None

    def _not_large(self, raws: Sequence[bytes]) -> Iterator[bytes]:
        """Those that are no large objects: each is asked for, or all are listed where many are asked."""
        unknown = [raw for raw in raws if raw not in self._large]
        if len(unknown) > _ASK_EACH:
            self._large.update(to_raw(digest) for digest in self._large_ones())
        else:
            self._large.update(raw for raw in unknown if self._is_there(from_raw(raw)))
        return (raw for raw in unknown if raw not in self._large)

    def _is_there(self, digest: Digest) -> bool:
        return any(self._bucket.size(key) is not None for key in (_key(digest), _recipe_key(digest)))

    def _large_ones(self) -> Iterator[Digest]:
        found: set[Digest] = set()
        for folder in ("objects", "recipes"):
            for key, _ in self._bucket.keys(folder):
                name = f"b3:{key.rpartition('/')[2]}"
                if is_digest(name) and name not in found:
                    found.add(Digest(name))
                    yield Digest(name)

    def _checked(self, digest: Digest, data: bytes) -> bytes:
        if digest_bytes(data) != digest:
            raise _damaged(digest, self.url)
        return data

    def _absent(self, digest: Digest) -> StoreError:
        return StoreError(
            f"the object {digest} is not on {self.url}",
            cause="it was never pushed there, or was removed",
            cure="mulle data push to this remote from a workspace that has it",
        )

    def _count(self, *, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            self.sent += sent
            self.received += received


def _key(digest: Digest) -> str:
    return f"objects/{digest[3:5]}/{digest[3:]}"


def _recipe_key(digest: Digest) -> str:
    return f"recipes/{digest[3:5]}/{digest[3:]}"


def _digest_of(path: Path) -> Digest:
    hasher = Hasher()
    for piece in chunks_of(path):
        hasher.update(piece)
    return hasher.digest()


def _held_back(digest: Digest, path: Path) -> Iterator[bytes]:
    """A file's pieces, the last one only when all of them together are what the digest names."""
    hasher, held = Hasher(), b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            if held:
                yield held
            hasher.update(piece)
            held = piece
    refuse_other(digest, hasher.digest(), str(path))
    yield held


def _problem(data: bytes | None) -> str:
    return "it is gone" if data is None else "its bytes have another digest"


def _damaged(digest: Digest, url: str) -> StoreError:
    return StoreError(
        f"the object {digest} is damaged on {url}",
        cause="its bytes there have another digest",
        cure="pull it from another remote, or push it to another one from a workspace that has it",
    )
