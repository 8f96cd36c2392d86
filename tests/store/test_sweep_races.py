"""A writer needs a condemned object at any instant of the run of gc that deletes it, and never loses it.

Every file operation of gc is such an instant: there the writer goes to work in a thread, as another process would, and
gc goes on when it is done or waits for a lock.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest
from tests.store.test_sweep import DAY, age, another

from mulle.hashing import digest_bytes, to_raw
from mulle.store import LocalStore
from mulle.store.files import Files
from mulle.store.leases import Lease
from mulle.types import Digest

LIMIT = 4_000
SIZES = {"small": 900, "large": 5_000}


class Interrupted(Files):
    """At the file operation of that number, counted from 0, something happens first; 0 is while gc marks."""

    def __init__(self, at: int, happens: Callable[[], None]) -> None:
        self._at, self._happens = at, happens
        self.calls = 0

    def instant(self) -> None:
        if self.calls == self._at:
            self._happens()
        self.calls += 1

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        self.instant()
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        self.instant()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self.instant()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self.instant()
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        self.instant()
        super().sync_folder(folder)


class Race:
    """A workspace where an object is condemned and ripe, a writer that will need it, and a gc that will delete it."""

    def __init__(self, root: Path, size: int, began: str, ask: str) -> None:
        self.root, self.ask, self.data = root, ask, b"x" * size
        self.digest = digest_bytes(self.data)
        self.named: set[bytes] = set()
        with LocalStore(root, durable=False, small=2_000, pack_limit=LIMIT) as store:
            kept = [store.put(os.urandom(700)) for _ in range(3)]
            store.put(self.data)
            kept += [store.put(os.urandom(700)) for _ in range(3)]
        self.named |= set(map(to_raw, kept))
        self.kept = kept
        age(root)
        self.writer = self.process()
        if began == "before":
            self.writer.has(kept[0])
        self.collect(Files())
        age(root)
        if began == "after":
            self.writer.has(kept[0])
        self.thread = threading.Thread(target=self.need)

    def process(self, files: Files | None = None) -> LocalStore:
        store = another(self.root)
        store.small, store.pack_limit = 2_000, LIMIT
        store._files = store._files if files is None else files
        return store

    def need(self) -> None:
        """What a writer does: put the object, or ask whether it must, then name it."""
        if self.ask == "put" or not self.writer.has(self.digest):
            self.writer.put(self.data)
        self.writer.flush()
        self.named.add(to_raw(self.digest))

    def happens(self) -> None:
        self.thread.start()
        self.thread.join(0.05)  # longer only when it waits for gc

    def collect(self, files: Files) -> None:
        store = LocalStore(self.root, durable=True, small=2_000, pack_limit=LIMIT, files=files)
        own = Lease(self.root, files)
        store._lease = own

        def mark() -> Collection[bytes]:
            reached = set(self.named)
            if isinstance(files, Interrupted):
                files.instant()
            return reached

        store.sweep(mark, grace=DAY)
        own.release()

    def run(self, at: int) -> int:
        """gc with the writer at that instant; how many instants there are."""
        files = Interrupted(at, self.happens)
        self.collect(files)
        if self.thread.ident is None:
            self.happens()
        self.thread.join(10)
        return files.calls

    def lost(self) -> list[Digest]:
        """Which of the named objects cannot be read by a process that begins now."""
        reader = self.process()
        return [digest for digest in (*self.kept, self.digest) if not self.reads(reader, digest)]

    def reads(self, reader: LocalStore, digest: Digest) -> bool:
        return digest_bytes(reader.get(digest)) == digest


@pytest.mark.parametrize("ask", ["put", "has"])
@pytest.mark.parametrize("began", ["before", "after", "then"])
@pytest.mark.parametrize("size", SIZES)
def test_no_instant_loses_an_object(tmp_path: Path, size: str, began: str, ask: str) -> None:
    instants, at = 1, 0
    while at <= instants:
        root = tmp_path / str(at)
        race = Race(root, SIZES[size], began, ask)
        instants = max(instants, race.run(at))
        assert race.lost() == [], f"at instant {at} of {instants}"
        assert list(race.process().verify()) == []
        age(root)
        race.collect(Files())
        age(root)
        race.collect(Files())
        assert race.lost() == [], f"after instant {at} of {instants}, by the next runs"
        shutil.rmtree(root)
        at += 1
