"""Reading trees: walking them, finding what lies at a path, and what lies between two of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mulle.errors import StoreError
from mulle.hashing import TreeEntry, digest_bytes, from_raw, to_raw
from mulle.hashing.tree import (
    FOLDER,
    Child,
    Entry,
    Node,
    children,
    decode_manifest,
    decode_node,
    folder_entry,
    is_node,
    of_tree_entry,
    put_files,
    shown,
)
from mulle.store.port import ObjectStore
from mulle.types import Digest

_HELD = 256


class Change(NamedTuple):
    """A file that differs between two trees: its path and its entry in each, None where it is not there."""

    path: bytes
    before: Entry | None
    after: Entry | None


class Trees:
    """The trees of a store. Reads each node once in a while; not thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._held: dict[bytes, Node] = {}
        self._named_of: dict[bytes, dict[bytes, Entry]] = {}
        self._former: dict[bytes, bytes] = {}

    def root(self, digest: Digest) -> Entry:
        """The tree as an entry without a name: its totals, and the raw digest to read on from.

        Raises:
            StoreError: it is no tree, or missing or damaged.
        """
        data = self._store.get(digest)
        if not is_node(data):
            return self._converted(data)
        node = self._held[to_raw(digest)] = decode_node(data)
        items = node.runs or node.entries
        return Entry(b"", FOLDER, to_raw(digest), sum(item.size for item in items), sum(item.files for item in items))

    def entries(self, raw: bytes) -> Iterator[Entry]:
        """The entries of one directory, sorted by name."""
        node = self._node(raw)
        yield from node.entries
        for run in node.runs:
            yield from self.entries(run.raw)

    def walk(self, top: Entry, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        """All files below a directory with their paths, each directory's in order of its names."""
        for entry in self.entries(top.raw):
            path = prefix + entry.name
            if entry.kind == FOLDER:
                yield from self.walk(entry, path + b"/")
            else:
                yield path, entry

    def find(self, top: Entry, path: bytes) -> Entry | None:
        """What lies at a path (with `/`), a file or a directory; None where nothing does. Reads one node a level."""
        found: Entry | None = top
        for name in filter(None, path.split(b"/")):
            found = self._named(found.raw, name) if found is not None and found.kind == FOLDER else None
        return found

    def diff(self, before: Entry | None, after: Entry | None, prefix: bytes = b"") -> Iterator[Change]:
        """The files that differ, in order of their paths; nodes that both trees have are not read."""
        if before is not None and after is not None and before.raw == after.raw:
            return
        old, new = self._unshared(before, after)
        for name in sorted(old.keys() | new.keys()):
            a, b = old.get(name), new.get(name)
            if a != b:
                yield from self._between(a, b, prefix + name)

    def _between(self, a: Entry | None, b: Entry | None, path: bytes) -> Iterator[Change]:
        old, new = _file(a), _file(b)
        if old is not None or new is not None:
            yield Change(path, old, new)
        if a is not old or b is not new:
            yield from self.diff(None if old else a, None if new else b, path + b"/")

    def _unshared(self, before: Entry | None, after: Entry | None) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
        """The entries of two directories by name, less those in runs that both have."""
        sides = [self._opened(entry) for entry in (before, after)]
        while level := max((level for side in sides for level in side.values()), default=0):
            own = _without_shared(*sides)
            sides = [
                {raw: at for top, depth in side.items() for raw, at in self._below(top, depth, level)} for side in own
            ]
        old, new = (
            {entry.name: entry for raw in side for entry in self._node(raw).entries} for side in _without_shared(*sides)
        )
        return old, new

    def _opened(self, entry: Entry | None) -> dict[bytes, int]:
        return {} if entry is None else {entry.raw: self._node(entry.raw).level}

    def _below(self, raw: bytes, depth: int, level: int) -> list[tuple[bytes, int]]:
        """A node, or, where it is of that level, the nodes below it; each with its level."""
        return [(raw, depth)] if depth < level else [(run.raw, depth - 1) for run in self._node(raw).runs]

    def _named(self, raw: bytes, name: bytes) -> Entry | None:
        node = self._node(raw)
        while node.level:
            runs = [run for run in node.runs if run.name <= name]
            if not runs:
                return None
            raw = runs[-1].raw
            node = self._node(raw)
        if raw not in self._named_of:
            self._named_of[raw] = {entry.name: entry for entry in node.entries}
        return self._named_of[raw].get(name)

    def _node(self, raw: bytes) -> Node:
        found = self._held.get(raw)
        if found is None:
            if len(self._held) >= _HELD:
                self._held.clear()
                self._named_of.clear()
            found = self._held[raw] = decode_node(self._former.get(raw) or self._store.get(from_raw(raw)))
        return found

    def _converted(self, data: bytes) -> Entry:
        """The root of a tree of format 1; its nodes are made in memory."""

        def put(node: bytes) -> Digest:
            digest = digest_bytes(node)
            self._former[to_raw(digest)] = node
            return digest

        return folder_entry(b"", put_files(map(of_tree_entry, decode_manifest(data)), put))


def _file(entry: Entry | None) -> Entry | None:
    return None if entry is None or entry.kind == FOLDER else entry


def _without_shared(old: dict[bytes, int], new: dict[bytes, int]) -> list[dict[bytes, int]]:
    shared = old.keys() & new.keys()
    return [{raw: level for raw, level in side.items() if raw not in shared} for side in (old, new)]


def subtree(store: ObjectStore, digest: Digest, path: bytes) -> Entry:
    """What lies at a path of a tree, a file or a directory.

    Raises:
        StoreError: nothing does.
    """
    trees = Trees(store)
    found = trees.find(trees.root(digest), path)
    if found is None:
        raise StoreError(
            f"there is no '{shown(path)}' in the tree {digest[:15]}",
            cause="no file or folder of that path is in it",
            cure="mulle data show NAME@VERSION lists what is in a version",
        )
    return found


def cut_out(store: ObjectStore, digest: Digest, paths: Sequence[bytes]) -> Digest:
    """A tree of those files of another one that lie at or below the paths; its nodes are stored.

    Raises:
        StoreError: nothing lies at one of them.
    """
    trees = Trees(store)
    found: dict[bytes, Entry] = {}
    for path in paths:
        entry = subtree(store, digest, path)
        whole = path.strip(b"/")
        found.update(trees.walk(entry, whole + b"/") if entry.kind == FOLDER else [(whole, entry)])
    return from_raw(put_files(found.items(), store.put).raw)


def reachable(store: ObjectStore, digest: Digest) -> Iterator[Child]:
    """Every object that a tree needs, each once, the tree's own node first."""
    seen = {digest}
    stack = [Child(digest, 0, is_node=True)]
    while stack:
        found = stack.pop()
        yield found
        for below in children(store.get(found.digest)) if found.is_node else ():
            if below.digest not in seen:
                seen.add(below.digest)
                stack.append(below)


def files_of(store: ObjectStore, digest: Digest) -> Iterator[TreeEntry]:
    """All files of a tree with their paths, each directory's in order of its names."""
    trees = Trees(store)
    for path, entry in trees.walk(trees.root(digest)):
        yield TreeEntry(os.fsdecode(path), entry.digest, entry.size, entry.mode)
