"""Large objects as recipes: ranges of other objects, and what is new; `recipes/<xx>/<64 hex digits>`.

A large file that replaces a former version of itself mostly consists of it. What both share is found by comparing them
from the start, and from the first difference on by content-defined chunks, so that what was moved is found too. The
object's name is still the digest of all its bytes, and every read checks it. Bases are never recipes themselves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate, chain
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import Hasher, is_digest
from mulle.hashing.content import RAW_SIZE
from mulle.store.files import Files, replace
from mulle.types import Digest

LEAST = 8 << 20
"""Shorter objects are stored whole."""
SHARE = 0.2
"""A recipe pays when at least this part of the object is in others."""
_CHUNK = 64 << 10
_TABLE = 1 << 17
_PIECE = 1 << 20
_BASES = 32
_RANGES = 1 << 17
_MARK = b"MULLERC\x01"


class Range(NamedTuple):
    """Bytes of another object: its raw digest, where they begin, and how many there are."""

    raw: bytes
    offset: int
    length: int


class Recipe(msgspec.Struct, array_like=True, frozen=True):
    """An object as ranges of others, in order; `size` is the sum of their lengths."""

    size: int
    ranges: list[Range]

    @property
    def bases(self) -> set[bytes]:
        """The raw digests of the objects that it needs."""
        return {each.raw for each in self.ranges}


_recipes = msgspec.msgpack.Decoder(Recipe)
Open = Callable[[bytes], IO[bytes]]
"""Opens a base by its raw digest, for reading; its bytes are not verified."""


class Recipes:
    """The recipes of a store. Thread-safe."""

    def __init__(self, folder: Path, files: Files, *, durable: bool) -> None:
        self._folder = folder
        self._files = files
        self._durable = durable

    def path(self, digest: Digest) -> Path:
        """Where the recipe lies, if there is one."""
        return self._folder / digest[3:5] / digest[3:]

    def find(self, digest: Digest) -> Recipe | None:
        """The recipe of an object; None where there is none.

        Raises:
            StoreError: it is damaged, or of a newer format.
        """
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return decode(data, str(self.path(digest)))

    def put(self, digest: Digest, recipe: Recipe) -> None:
        """Keep a recipe, safe from a power cut. What it names must be safe before."""
        path = self.path(digest)
        new = not path.parent.is_dir()
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(self._files, path, encode(recipe), durable=self._durable)
        if new and self._durable:
            self._files.sync_folder(self._folder)
            self._files.sync_folder(self._folder.parent)

    def remove(self, digest: Digest) -> None:
        """Delete a recipe; its bases stay."""
        self._files.unlink(self.path(digest))

    def digests(self) -> Iterator[Digest]:
        """The objects that there are recipes of."""
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else []:
            for path in sorted(folder.iterdir()):
                if is_digest(name := f"b3:{path.name}"):
                    yield Digest(name)


def encode(recipe: Recipe) -> bytes:
    """A recipe as it lies on a disk, and travels."""
    packed = msgspec.msgpack.encode(recipe)
    return _MARK + blake3(packed).digest() + packed


def decode(data: bytes, where: str) -> Recipe:
    """A recipe from its bytes.

    Raises:
        StoreError: they are damaged, or of a newer format.
    """
    head = len(_MARK) + blake3.digest_size
    if data[: len(_MARK) - 1] == _MARK[:-1] and data[len(_MARK) - 1] > _MARK[-1]:
        raise StoreError(f"{where} has a newer format", cause="a newer mulle wrote it", cure="pip install -U mulle")
    if not data.startswith(_MARK) or blake3(data[head:]).digest() != data[len(_MARK) : head]:
        raise StoreError(
            f"the recipe {where} is damaged",
            cause="its bytes are not those that were written",
            cure="mulle data verify; put the same file again, or restore it from a backup",
        )
    try:
        recipe = _recipes.decode(data[head:])
    except msgspec.MsgspecError as error:
        raise _forged(where, str(error)) from error
    if any(len(raw) != RAW_SIZE or offset < 0 or length <= 0 for raw, offset, length in recipe.ranges):
        raise _forged(where, "it names a range that no object can have")
    if recipe.size != sum(each.length for each in recipe.ranges):
        raise _forged(where, "its ranges are not as long as the object")
    return recipe


def _forged(where: str, cause: str) -> StoreError:
    return StoreError(f"the recipe {where} is forged", cause=cause, cure="do not use it; send the object whole")


def assembled(recipe: Recipe, opened: Open, start: int = 0) -> Iterator[bytes]:
    """The bytes of an object from `start` on, in pieces, unverified."""
    at = 0
    for raw, offset, length in recipe.ranges:
        skip = min(max(start - at, 0), length)
        at += length
        if skip == length:
            continue
        with opened(raw) as file:
            file.seek(offset + skip)
            left = length - skip
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece


class _Stream:
    """Pieces as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def pieces(self) -> Iterator[bytes]:
        """What is left."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest
        yield from self._pieces

    def read(self, size: int) -> bytes:
        """Up to so many bytes; fewer only at the end."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


class Shared(NamedTuple):
    """A piece of a file: bytes of the former object from `offset` on, or, where `is_new`, of the new bytes."""

    is_new: bool
    offset: int
    length: int


class Compared(NamedTuple):
    """A file compared with a former object: its digest and pieces; `size` and `new` count all and the new bytes."""

    digest: Digest
    pieces: list[Shared]
    size: int
    new: int


def compare(path: Path, former: Recipe, opened: Open, keep: Callable[[bytes], None]) -> Compared | None:
    """Find what a file shares with a former object, reading the file once.

    Args:
        path: the file.
        former: the object as ranges of bases (one, where it is whole).
        opened: opens a base.
        keep: is given the new bytes, in order.

    Returns:
        None as soon as it is plain that too little is shared.
    """
    hasher, size = Hasher(), path.stat().st_size
    with path.open("rb", buffering=0) as file:
        ours = _Stream(_hashed(file, hasher))
        same, differing = _common_start(ours, _Stream(assembled(former, opened)))
        pieces = [Shared(is_new=False, offset=0, length=same)] if same else []
        new, table = 0, None
        for data in _cut(_Stream(chain([differing], ours.pieces())), size):
            table = _table(former, opened, same, size) if table is None else table
            at = table.get(blake3(data).digest())
            if at is None:
                keep(data)
                _append(pieces, Shared(is_new=True, offset=new, length=len(data)))
                new += len(data)
                if new > (1 - SHARE) * size:
                    return None
            else:
                _append(pieces, Shared(is_new=False, offset=at, length=len(data)))
    return Compared(hasher.digest(), pieces, sum(each.length for each in pieces), new)


def _hashed(file: IO[bytes], hasher: Hasher) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        hasher.update(piece)
        yield piece


def _common_start(ours: _Stream, theirs: _Stream) -> tuple[int, bytes]:
    """How many bytes both begin with, and the piece of ours that differs first."""
    same = 0
    while True:
        piece = ours.read(_PIECE)
        other = theirs.read(len(piece))
        if piece != other or not piece:
            at = _first_difference(piece, other)
            return same + at, piece[at:]
        same += len(piece)


def _first_difference(a: bytes, b: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(stream: _Stream, size: int) -> Iterator[bytes]:
    """Chunks with borders that the content decides: 64 KiB on average, larger in files of many gigabytes."""
    from pyfastcdc import FastCDC  # noqa: PLC0415 - start-up time: few files are this large

    average = max(_CHUNK, 1 << (size // _TABLE).bit_length())
    for chunk in FastCDC(avg_size=average).cut_stream(stream):
        yield bytes(chunk.data)


def _table(former: Recipe, opened: Open, start: int, size: int) -> dict[bytes, int]:
    """Where each chunk of the former object begins, by the chunk's digest, from `start` on."""
    found: dict[bytes, int] = {}
    at = start
    for data in _cut(_Stream(assembled(former, opened, start)), size):
        found.setdefault(blake3(data).digest(), at)
        at += len(data)
    return found


def _append(pieces: list[Shared], piece: Shared) -> None:
    last = pieces[-1] if pieces else None
    if last and last.is_new == piece.is_new and last.offset + last.length == piece.offset:
        pieces[-1] = last._replace(length=last.length + piece.length)
    else:
        pieces.append(piece)


def written(compared: Compared, former: Recipe, new: bytes) -> Recipe | None:
    """The recipe of a file that was compared; `new` is the raw digest of its new bytes.

    None where it does not pay: too little is shared, or it would need too many ranges or bases.
    """
    ranges: list[Range] = []
    starts = list(accumulate((each.length for each in former.ranges), initial=0))
    for is_new, offset, length in compared.pieces:
        found = [Range(new, offset, length)] if is_new else _within(former, starts, offset, length)
        ranges += found
    recipe = Recipe(compared.size, ranges)
    pays = compared.new <= (1 - SHARE) * compared.size
    return recipe if pays and len(ranges) <= _RANGES and len(recipe.bases) <= _BASES else None


def _within(former: Recipe, starts: list[int], offset: int, length: int) -> list[Range]:
    """A part of the former object in terms of its bases."""
    found: list[Range] = []
    at = bisect_right(starts, offset) - 1
    while length:
        raw, begins, long = former.ranges[at]
        skip = offset - starts[at]
        taken = min(length, long - skip)
        if taken:
            found.append(Range(raw, begins + skip, taken))
        offset, length, at = offset + taken, length - taken, at + 1
    return found
