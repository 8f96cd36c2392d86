"""The object store of another mulle server: `/objects` over HTTP, many small objects in one request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias

import msgspec
from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, digest_file, from_raw, is_digest, to_raw
from mulle.store import packing
from mulle.store.connection import Connection, NothingThereError
from mulle.store.files import explained
from mulle.store.outgoing import Outgoing
from mulle.store.port import Damage
from mulle.store.received import Received, refuse_other
from mulle.types import Digest

SMALL = 1 << 20
"""Objects up to this length travel in packs; the server's own limit."""
PIECE = 8 << 20
"""Larger objects travel in pieces of this length."""
_ASKED = 50_000
_READ = 4_000
_RAW = 32
_TRIES = 3
_TIMEOUT_SECONDS = 900.0
"""The server reads a large object twice before it answers to its last piece."""
PieceAt: TypeAlias = Callable[[int], bytes]


class _Arrived(msgspec.Struct):
    there: bool
    received: int


class ServerStore:
    """A `RemoteStore` on a mulle server.

    Small objects that are put one by one go out together, when there are 16 MiB of them or at `flush()`; until then
    only this store has them.
    """

    def __init__(self, url: str, cache: Path, *, piece: int = PIECE) -> None:
        """`cache` is a local folder of its own for each server; it may be deleted at any time."""
        self.server = Connection(url, timeout=_TIMEOUT_SECONDS)
        self.url = self.server.url
        self.sent = 0
        self.received = 0
        self._piece = piece
        self._outgoing = Outgoing(self._send_pack, packing.LIMIT)
        self._received = Received(cache)
        self._large: set[Digest] = set()
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Digest:
        raw = blake3(data).digest()
        digest = from_raw(raw)
        if len(data) > SMALL:
            self._send_pieces(digest, memoryview(data))
        else:
            self._outgoing.add(raw, data)
        return digest

    def put_file(self, path: Path) -> Digest:
        with explained(f"reading {path}", path):
            if path.stat().st_size <= SMALL:
                return self.put(path.read_bytes())
            digest = digest_file(path)
        self.send_file(digest, path)
        return digest

    def get(self, digest: Digest) -> bytes:
        raw = to_raw(digest)
        waiting = self._outgoing.get(raw)
        if waiting is not None:
            return waiting
        data = self._asked(digest, "GET")
        self._count(received=len(data))
        return self._checked(digest, data)

    def path(self, digest: Digest) -> Path:
        to_raw(digest)
        return self._received.path(digest, lambda: self.size(digest), lambda offset: self._from(digest, offset))

    def has(self, digest: Digest) -> bool:
        return to_raw(digest) in self._outgoing or self.server.head(f"/objects/{digest}") is not None

    def size(self, digest: Digest) -> int:
        waiting = self._outgoing.get(to_raw(digest))
        if waiting is not None:
            return len(waiting)
        headers = self.server.head(f"/objects/{digest}")
        if headers is None:
            raise self._absent(digest)
        return int(_header(headers, "content-length"))

    def flush(self) -> None:
        self._outgoing.flush()

    def digests(self) -> Iterator[Digest]:
        self.flush()
        found = self.server.ask("GET", "/objects")
        for at in range(0, len(found), _RAW):
            yield from_raw(found[at : at + _RAW])

    def verify(self) -> Iterator[Damage]:
        self.flush()
        for line in self.server.ask("POST", "/objects/verify").splitlines():
            yield msgspec.json.decode(line, type=Damage)

    def missing(self, digests: Sequence[Digest]) -> list[Digest]:
        absent: set[bytes] = set()
        asked = [raw for raw in map(to_raw, digests) if raw not in self._outgoing]
        for start in range(0, len(asked), _ASKED):
            body = b"".join(asked[start : start + _ASKED])
            found = self.server.ask("POST", "/objects/missing", body)
            absent.update(found[at : at + _RAW] for at in range(0, len(found), _RAW))
            self._count(sent=len(body), received=len(found))
        return [digest for digest in digests if to_raw(digest) in absent]

    def send(self, items: Sequence[tuple[Digest, bytes]]) -> None:
        small = [(to_raw(digest), data) for digest, data in items if len(data) <= SMALL]
        for digest, data in items:
            if len(data) > SMALL:
                self._send_pieces(digest, memoryview(data))
        if small:
            self._send_pack(small)

    def send_file(self, digest: Digest, path: Path) -> None:
        with explained(f"reading {path}", path), path.open("rb", buffering=0) as file:
            size = path.stat().st_size
            if size <= SMALL:
                data = file.read()
                refuse_other(digest, digest_bytes(data), str(path))
                self.send([(digest, data)])
                return
            self._send_from(digest, size, lambda start: _at(file, start, self._piece))

    def fetch(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        wanted = list(dict.fromkeys(digests))
        for start in range(0, len(wanted), _READ):
            yield from self._fetch(wanted[start : start + _READ])

    def read_range(self, digest: Digest, offset: int, length: int) -> bytes:
        if not length:
            return b""
        data = self._asked(digest, "GET", {"range": f"bytes={offset}-{offset + length - 1}"})
        self._count(received=len(data))
        return data

    def is_large(self, digest: Digest) -> bool:
        waiting = self._outgoing.get(to_raw(digest))
        return waiting is None and (digest in self._large or self.size(digest) > SMALL)

    def recipe(self, digest: Digest) -> bytes | None:
        to_raw(digest)
        try:
            told = self.server.ask("GET", f"/objects/{digest}/recipe")
        except NothingThereError:
            return None
        self._count(received=len(told))
        return told

    def send_recipe(self, digest: Digest, told: bytes) -> None:
        self.server.ask("PUT", f"/objects/{digest}/recipe", told)
        self._count(sent=len(told))

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def _fetch(self, wanted: list[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """The server answers with the first that fit; what it passes over before the last of them is large."""
        while wanted:
            body = b"".join(map(to_raw, wanted))
            answer = self._packed(body)
            self._count(sent=len(body), received=len(answer))
            came: set[Digest] = set()
            for raw, data in packing.objects_in(answer, f"the answer of {self.url}"):
                came.add(from_raw(raw))
                yield from_raw(raw), data
            last = max((place for place, digest in enumerate(wanted) if digest in came), default=len(wanted) - 1)
            self._large.update(digest for digest in wanted[: last + 1] if digest not in came)
            wanted = wanted[last + 1 :]

    def _packed(self, body: bytes) -> bytes:
        try:
            return self.server.ask("POST", "/objects/read", body)
        except NothingThereError as error:
            found = next((word for word in error.message.split() if is_digest(word)), "")
            raise self._absent(Digest(found)) from None

    def _asked(self, digest: Digest, method: str, headers: Mapping[str, str] | None = None) -> bytes:
        try:
            return self.server.ask(method, f"/objects/{digest}", headers=headers)
        except NothingThereError:
            raise self._absent(digest) from None

    def _from(self, digest: Digest, offset: int) -> Iterator[bytes]:
        waiting = self._outgoing.get(to_raw(digest))
        if waiting is not None:
            yield waiting[offset:]
            return
        for piece in self.server.pieces(f"/objects/{digest}", offset, self.size(digest)):
            self._count(received=len(piece))
            yield piece

    def _send_pack(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        made = packing.seal(items)
        self.server.ask("POST", "/objects/pack", made.data, {"content-type": "application/octet-stream"})
        self._count(sent=len(made.data))

    def _send_pieces(self, digest: Digest, data: memoryview) -> None:
        self._send_from(digest, len(data), lambda start: bytes(data[start : start + self._piece]))

    def _send_from(self, digest: Digest, size: int, piece_at: PieceAt) -> None:
        """Send what the server has not got yet of an object. It says so itself, also after a cut."""
        failures = 0
        while True:
            arrived = msgspec.json.decode(self.server.ask("GET", f"/objects/{digest}/received"), type=_Arrived)
            if arrived.there:
                return
            try:
                # All of it may have arrived without having been kept: the last piece, once more, settles it.
                self._send_rest(digest, min(arrived.received, max(0, size - self._piece)), size, piece_at)
            except StoreError:
                failures += 1
                if failures >= _TRIES:
                    raise
            else:
                return

    def _send_rest(self, digest: Digest, start: int, size: int, piece_at: PieceAt) -> None:
        while start < size:
            piece = piece_at(start)
            if not piece:
                raise StoreError(f"{digest} cannot be sent", cause="its file became shorter", cure="mulle data verify")
            span = f"bytes {start}-{start + len(piece) - 1}/{size}"
            self.server.ask("PUT", f"/objects/{digest}", piece, {"content-range": span})
            self._count(sent=len(piece))
            start += len(piece)

    def _checked(self, digest: Digest, data: bytes) -> bytes:
        if digest_bytes(data) != digest:
            raise StoreError(
                f"the object {digest} from {self.url} is damaged",
                cause="what arrived has another digest",
                cure="repeat the command; if it says so again, run mulle data verify on the server",
            )
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


def _at(file: IO[bytes], start: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, start)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for each, value in headers.items() if each.lower() == name), "0")
