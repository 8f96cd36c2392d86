"""Making a folder what a tree is: only what differs is written, and nothing is ever half-written under its name.

A folder that is not there yet is made under another name and moved as a whole; other files are written beside
their places and moved there one by one. Killed at any point, the same checkout again goes on from where it was.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mulle.data.working.index import Index, Row, row
from mulle.data.working.plan import Plan
from mulle.data.working.scan import join, sweep
from mulle.errors import DataError
from mulle.hashing.tree import shown
from mulle.store.bulk import Crew, to_give
from mulle.store.files import Files, explained
from mulle.store.giving import Wished
from mulle.store.port import ObjectStore
from mulle.store.taking import Taken
from mulle.types import Digest


@dataclass
class Checkout:
    """One checkout of a tree to a folder, as planned."""

    store: ObjectStore
    index: Index
    path: Path
    link: bool = False
    processes: int | None = None
    files: Files = field(default_factory=Files)

    def run(self, plan: Plan, tree: Digest) -> None:
        """Carry the plan out; afterwards the index is that of the tree.

        Raises:
            DataError: something that is not ours is in the way.
            StoreError: an object is missing or damaged, or a file cannot be written.
        """
        with explained(f"checking out to {self.path}", self.path):
            check_ways(self.path, plan)
            self._remove(plan)
            made = _Making(self.path, self.files)
            crew = Crew(self.store, made.root, keep=False, link=self.link, processes=self.processes, files=self.files)
            try:
                written: dict[bytes, Taken] = {}
                for names, files in crew.work(to_give(self._wishes(plan, made))):
                    written.update(zip(names, files, strict=True))
                made.finish()
            except BaseException:
                made.abandon()
                raise
            known: dict[bytes, Row | None] = {**dict.fromkeys(plan.remove), **plan.settled}
            _record(self.index, known, written)
            self.index.set_tree(tree)

    def _wishes(self, plan: Plan, made: _Making) -> Iterator[tuple[Wished, bytes]]:
        for name, wanted in plan.write.items():
            folder, _, last = name.rpartition(b"/")
            place, is_new = made.folder(folder)
            yield Wished(join(place, last), wanted.raw, wanted.size, wanted.kind, not is_new), name

    def _remove(self, plan: Plan) -> None:
        """Remove files, and the folders that are empty then."""
        emptied: set[bytes] = set()
        for name in plan.remove:
            self.files.unlink(_at(self.path, name))
            emptied |= set(_above(name))
        for folder in sorted(emptied, key=len, reverse=True):
            with suppress(OSError):  # not empty, or gone
                _at(self.path, folder).rmdir()


class _Making:
    """Finds the folder to write a file into: the one it belongs in, or, where that is not there, one to be moved."""

    def __init__(self, path: Path, files: Files) -> None:
        self._files = files
        self._moves: list[tuple[Path, Path]] = []
        self._known: dict[bytes, tuple[bytes, bool]] = {}
        self.root = path
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path.parent, [os.fsencode(name) for name in os.listdir(path.parent)])  # noqa: PTH208 - names alone
            self.root = path.parent / os.fsdecode(_name())
            self.root.mkdir()
            self._moves.append((self.root, path))
        self._known[b""] = (b"", bool(self._moves))

    def folder(self, folder: bytes) -> tuple[bytes, bool]:
        """Where to write the files of a folder, below the root, and whether that is one that nobody sees yet."""
        found = self._known.get(folder)
        if found is None:
            found = self._known[folder] = self._made(folder)
        return found

    def _made(self, folder: bytes) -> tuple[bytes, bool]:
        above, _, name = folder.rpartition(b"/")
        place, is_new = self.folder(above)
        target = _at(self.root, join(place, name))
        if not is_new and target.is_dir():
            return join(place, name), False
        if is_new:
            target.mkdir()
            return join(place, name), True
        temporary = join(place, _name())
        _at(self.root, temporary).mkdir()
        self._moves.append((_at(self.root, temporary), target))
        return temporary, True

    def finish(self) -> None:
        """Move what is new to its place."""
        for source, target in self._moves:
            self._files.rename(source, target)

    def abandon(self) -> None:
        """Delete what was not moved."""
        for source, _ in self._moves:
            shutil.rmtree(source, ignore_errors=True)


def _name() -> bytes:
    return b".mulle-%d-%s" % (os.getpid(), os.urandom(8).hex().encode())


def check_ways(root: Path, plan: Plan) -> None:
    """Refuse to write through links, and over what no version has.

    Raises:
        DataError: something is in the way; says what.
    """
    folders = {name.rpartition(b"/")[0] for name in [*plan.write, *plan.remove]}
    there = {b""}
    for folder in sorted({above for name in folders for above in [*_above(name), name]} - there):
        path = _at(root, folder)
        if path.is_symlink():
            raise _in_the_way(root, folder, "is a link", "a checkout does not write through links")
        if path.exists() and not path.is_dir() and folder not in plan.remove:
            raise _in_the_way(root, folder, "is a file", "the version has a folder there")
        if path.is_dir():
            there.add(folder)
    for name in plan.write:
        path = _at(root, name)
        if (
            name.rpartition(b"/")[0] in there
            and path.is_dir()
            and not path.is_symlink()
            and not _is_ours(root, name, plan)
        ):
            raise _in_the_way(root, name, "is a folder with files of yours", "the version has a file there")


def _is_ours(root: Path, folder: bytes, plan: Plan) -> bool:
    """Whether all files below a folder are to be removed anyway."""
    whole = os.fsencode(root)
    return all(
        os.fsencode(path)[len(whole) + 1 :] in plan.remove
        for path in _at(root, folder).rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _in_the_way(root: Path, name: bytes, what: str, cause: str) -> DataError:
    return DataError(
        f"{_at(root, name)} {what}: nothing was checked out", cause=cause, cure=f"move '{root}/{shown(name)}' away"
    )


def _record(index: Index, known: Mapping[bytes, Row | None], written: Mapping[bytes, Taken]) -> None:
    """Put what was written, and was there, into the index; take out what is gone."""
    over = time.time_ns()  # we know what we wrote, unless others wrote to it within the same tick
    folders: dict[bytes, list[bytes]] = {}
    for name in itertools.chain(known, written):
        folders.setdefault(name.rpartition(b"/")[0], []).append(name)
    for folder, names in folders.items():  # a row takes four times the room of what it is made of
        merged: dict[bytes, Row | None] = {**index.folder(folder).files}
        for name in names:
            last = name.rpartition(b"/")[2]
            merged[last] = row(last, written[name], over) if name in written else known[name]
        kept = [found for name in sorted(merged) if (found := merged[name]) is not None]
        if kept:
            index.put(folder, None, (), kept)
        else:
            index.remove(folder)
    for above in {each for folder in folders for each in [*_above(folder), folder]} | {b""}:
        index.forget_tree(above)


def _above(name: bytes) -> list[bytes]:
    """The folders that a path leads through, below the root."""
    parts = name.split(b"/")[:-1]
    return [b"/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _at(root: Path, name: bytes) -> Path:
    return root / os.fsdecode(name)
