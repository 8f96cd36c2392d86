"""Freeing what nothing reaches, in two phases: condemn, and in a later run after the grace period delete.

The order is what makes it safe: who holds a lease is asked first, then what is reachable is marked, then something is
deleted. A writer whose lease ended before has named its objects, and the mark finds them; one whose lease goes on keeps
everything that was condemned after it began; one whose lease begins later knows what is condemned, and pardons what it
needs under the lock that a deletion holds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from mulle.errors import StoreError
from mulle.hashing import from_raw, to_raw
from mulle.store import condemned
from mulle.store.condemned import Mark
from mulle.store.files import Files, explained
from mulle.store.index import PackIndex
from mulle.store.leases import EVERYTHING, Holder, Lease, holders
from mulle.store.loose import LooseObjects
from mulle.store.sweep_packs import Packed, Rewriter, packs_of
from mulle.types import Digest

WASTE = 0.2
"""A pack is written anew without its dead objects when these are at least this part of it."""
_MICRO = 1_000_000
_BATCH = 256
_HEAD = 64


class Amount(msgspec.Struct):
    """Some objects, and their bytes together."""

    objects: int = 0
    bytes: int = 0

    def add(self, length: int) -> None:
        """One more."""
        self.objects += 1
        self.bytes += length


class Swept(msgspec.Struct, kw_only=True):
    """What a run of gc found and did; in a dry run, what it would do.

    `kept` is reachable; `young` is not, but younger than the grace period. `condemned` was found unreachable for the
    first time. `waiting` was condemned before and may not go yet: its grace is not over, somebody may still need it, or
    it lies in a pack that is hardly worth writing anew. `freed` is deleted. `pardoned` was condemned and is reachable
    again. `disk` is by how many bytes the files shrank. `kinds` counts what is unreachable; `holders` use the store.
    """

    dry_run: bool = False
    kept: Amount = msgspec.field(default_factory=Amount)
    young: Amount = msgspec.field(default_factory=Amount)
    condemned: Amount = msgspec.field(default_factory=Amount)
    waiting: Amount = msgspec.field(default_factory=Amount)
    freed: Amount = msgspec.field(default_factory=Amount)
    pardoned: Amount = msgspec.field(default_factory=Amount)
    disk: int = 0
    kinds: dict[str, Amount] = msgspec.field(default_factory=dict)
    holders: list[Holder] = msgspec.field(default_factory=list)


class SweepableStore(Protocol):
    """An object store that deletes what nothing reaches. What is put or found stays while its process's lease lasts."""

    def session(self) -> AbstractContextManager[None]:
        """Within the block nothing that is put, found or read is deleted, however long it takes. May be nested."""

    def sweep(
        self,
        mark: Callable[[], Collection[bytes]],
        *,
        grace: float,
        dry_run: bool = False,
        waste: float = WASTE,
        kind: Callable[[bytes], str] | None = None,
    ) -> Swept:
        """Condemn what `mark` does not name, and delete what was condemned a grace period ago.

        Args:
            mark: gives the raw digests of everything that is reachable when it is called, which may be twice.
            grace: seconds; younger objects are left alone. 0 deletes at once, when nobody else uses the store.
            dry_run: change nothing, and tell what would be done.
            waste: the part of a pack that must be dead before the pack is written anew.
            kind: names what an object is by its first 64 bytes, for `kinds`.

        Raises:
            StoreError: `grace` is 0 and somebody else uses the store; or a file cannot be written.
        """


@dataclass(frozen=True)
class Parts:
    """What a sweep needs of a local store."""

    root: Path
    packs: Path
    objects: Path
    recipes: Path
    index: PackIndex
    loose: LooseObjects
    extracted: LooseObjects
    lease: Lease
    files: Files
    give_up: Callable[[str], None]
    remove: Callable[[Digest], None]


@dataclass
class Found:
    """Everything that is stored: packs, large objects, and of each object when it was written and its length."""

    packs: list[Packed]
    loose: dict[bytes, tuple[float, int]]
    objects: dict[bytes, tuple[float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The newest copy counts."""
        self.objects.update(self.loose)
        for packed in self.packs:
            for raw, _, length in packed.entries:
                known = self.objects.get(raw)
                if known is None or known[0] < packed.written:
                    self.objects[raw] = (packed.written, length)


def sweep(
    parts: Parts,
    mark: Callable[[], Collection[bytes]],
    *,
    grace: float,
    now: float,
    dry_run: bool,
    waste: float,
    kind: Callable[[bytes], str] | None,
) -> Swept:
    """One run of gc over a local store, as `SweepableStore.sweep` says; one at a time, others wait."""
    with explained("collecting garbage", parts.root), condemned.locked(parts.root, "gc.lock"):
        if grace > 0 or dry_run:
            return _Run(parts, grace, now, dry_run=dry_run, waste=waste).once(mark, kind)
        _refuse_others(parts)
        first = _Run(parts, 0, now, dry_run=False, waste=waste).once(mark, kind)
        second = _Run(parts, 0, now, dry_run=False, waste=waste).once(mark, None)
        second.kinds, second.pardoned, second.disk = first.kinds, first.pardoned, first.disk + second.disk
        second.freed.objects += first.freed.objects
        second.freed.bytes += first.freed.bytes
        return second


def _refuse_others(parts: Parts) -> None:
    found = holders(parts.root, parts.lease)
    if not found and parts.lease.others_know() >= EVERYTHING:
        return
    who = ", ".join(f"process {each.pid} ({each.command})" for each in found) or "another thread of this process"
    raise StoreError(
        "gc without a grace period needs the store for itself",
        cause=f"{who} uses it, and may have put objects that nothing names yet",
        cure="stop it, or: mulle data gc --grace 24h",
    )


class _Run:
    """Holders, mark, judgement, deletion, and what is written down for the next run."""

    def __init__(self, parts: Parts, grace: float, now: float, *, dry_run: bool, waste: float) -> None:
        self._parts = parts
        self._grace, self._now, self._waste = grace, now, waste
        self._dry_run = dry_run
        self._swept = Swept(dry_run=dry_run)
        self._fresh: set[bytes] = set()
        self._ripe: set[bytes] = set()
        self._waiting: set[bytes] = set()
        self._gone: set[bytes] = set()

    def once(self, mark: Callable[[], Collection[bytes]], kind: Callable[[bytes], str] | None) -> Swept:
        swept, parts = self._swept, self._parts
        swept.holders = holders(parts.root, parts.lease)
        known = min([parts.lease.others_know(), *(each.generation for each in swept.holders)])
        generation, marks = condemned.load(parts.root)
        found = Found(list(packs_of(parts.packs)), {**dict(_loose(parts.recipes)), **dict(_loose(parts.objects))})
        reached = mark()
        self._judge(found, reached, marks, known)
        if kind is not None:
            self._tell_kinds(found, kind)
        if self._dry_run:
            self._would(found)
            return swept
        try:
            self._delete(found)
        finally:
            newest = max([generation, parts.lease.generation, *(each.generation for each in swept.holders)])
            self._write_down(found, reached, newest + 1)
        for raw in self._ripe - self._gone:
            swept.waiting.add(found.objects[raw][1])
        return swept

    def _judge(self, found: Found, reached: Collection[bytes], marks: dict[bytes, Mark], known: int) -> None:
        swept, since = self._swept, (self._now - self._grace) * _MICRO
        for raw, (written, length) in found.objects.items():
            condemned_at = marks.get(raw)
            if raw in reached:
                swept.kept.add(length)
                if condemned_at is not None:
                    swept.pardoned.add(length)
            elif condemned_at is None:
                old = written <= self._now - self._grace or not self._grace
                (swept.condemned if old else swept.young).add(length)
                if old:
                    self._fresh.add(raw)
            elif condemned_at.at <= since and condemned_at.generation <= known:
                self._ripe.add(raw)
            else:
                swept.waiting.add(length)
                self._waiting.add(raw)

    def _would(self, found: Found) -> None:
        """What a run that is not dry would free."""
        dead = self._ripe | (self._fresh if not self._grace else set())
        if not self._grace:
            self._swept.condemned = Amount()
        for raw in dead:
            self._swept.freed.add(found.objects[raw][1])

    def _tell_kinds(self, found: Found, kind: Callable[[bytes], str]) -> None:
        told = self._fresh | self._ripe | self._waiting
        for raw, head in _heads(found, self._parts.loose, told):
            told.discard(raw)
            self._swept.kinds.setdefault(kind(head), Amount()).add(found.objects[raw][1])

    def _delete(self, found: Found) -> None:
        """Delete the ripe, a few at a time: whoever pardons an object waits for no longer than one pack takes."""
        if not self._ripe:
            return
        pardons = condemned.Pardons(self._parts.root)
        copies = Counter(raw for packed in found.packs for raw in {entry.raw for entry in packed.entries} & self._ripe)
        copies.update(raw for raw in found.loose if raw in self._ripe)
        self._delete_loose(found, pardons, copies)
        rewriter = Rewriter(self._parts.packs, self._parts.index, self._parts.files, self._parts.give_up)
        # Those with the least to write come first: they free space on a full disk.
        for packed in sorted(found.packs, key=self._living_bytes):
            self._delete_packed(packed, rewriter, pardons, copies, found)

    def _living_bytes(self, packed: Packed) -> int:
        return sum(length for raw, _, length in packed.entries if raw not in self._ripe)

    def _delete_loose(self, found: Found, pardons: condemned.Pardons, copies: Counter[bytes]) -> None:
        dead = [raw for raw in found.loose if raw in self._ripe]
        for start in range(0, len(dead), _BATCH):
            with condemned.locked(self._parts.root):
                pardoned = pardons.read()
                for raw in dead[start : start + _BATCH]:
                    if raw not in pardoned:
                        self._parts.remove(from_raw(raw))
                        self._swept.disk += found.loose[raw][1]
                        self._let_go(raw, copies, found)

    def _delete_packed(
        self, packed: Packed, rewriter: Rewriter, pardons: condemned.Pardons, copies: Counter[bytes], found: Found
    ) -> None:
        if not any(entry.raw in self._ripe for entry in packed.entries):
            return
        with condemned.locked(self._parts.root):
            pardoned = pardons.read()
            dead = {entry.raw for entry in packed.entries if entry.raw in self._ripe and entry.raw not in pardoned}
            weight = sum(entry.length for entry in packed.entries if entry.raw in dead)
            total = sum(entry.length for entry in packed.entries)
            if not dead or (weight < self._waste * total and len(dead) < len(packed.entries)):
                return
            shrunk = rewriter.without(packed, dead)
        if shrunk is not None:
            self._swept.disk += shrunk
            for raw in dead:
                self._let_go(raw, copies, found)

    def _let_go(self, raw: bytes, copies: Counter[bytes], found: Found) -> None:
        """One copy is gone; with the last one, the object is."""
        copies[raw] -= 1
        if not copies[raw]:
            self._gone.add(raw)
            self._swept.freed.add(found.objects[raw][1])
            with suppress(OSError):
                self._parts.extracted.remove(from_raw(raw))

    def _write_down(self, found: Found, reached: Collection[bytes], generation: int) -> None:
        """What is condemned now, without what is gone or reachable; pardons of the meantime stand."""
        at = int(self._now * _MICRO)
        with condemned.locked(self._parts.root):
            before, marks = condemned.load(self._parts.root)
            left = {
                raw: mark
                for raw, mark in marks.items()
                if raw in found.objects and raw not in self._gone and raw not in reached
            }
            if not self._fresh and len(left) == len(marks):
                return
            left |= {raw: Mark(generation, at, found.objects[raw][1]) for raw in self._fresh}
            condemned.save(self._parts.root, generation if self._fresh else before, left, self._parts.files)
        self._parts.lease.learn()


def _loose(folder: Path) -> Iterator[tuple[bytes, tuple[float, int]]]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as folders:
        names = [each.path for each in folders if each.is_dir()]
    for name in names:
        with os.scandir(name) as entries:
            for entry in entries:
                with suppress(FileNotFoundError, ValueError):
                    status = entry.stat()
                    raw = bytes.fromhex(entry.name)
                    if len(raw) == len(to_raw(from_raw(raw))):
                        yield raw, (status.st_mtime, status.st_size)


def _heads(found: Found, loose: LooseObjects, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The first bytes of objects, each once; one that vanishes meanwhile is left out."""
    for packed in found.packs:
        entries = [entry for entry in packed.entries if entry.raw in wanted]
        if entries:
            with suppress(FileNotFoundError), packed.path.open("rb", buffering=0) as file:
                for raw, offset, length in entries:
                    if raw in wanted:
                        yield raw, os.pread(file.fileno(), min(length, _HEAD), offset)
    for raw in [raw for raw in found.loose if raw in wanted]:
        try:
            with loose.path(from_raw(raw)).open("rb", buffering=0) as file:
                yield raw, file.read(_HEAD)
        except FileNotFoundError:  # it lies in others
            yield raw, b""
