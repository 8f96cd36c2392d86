"""Two trees of files that came from one, made one: what only one of them changed is taken from that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mulle.hashing import from_raw
from mulle.hashing.tree import Entry, put_files, shown
from mulle.store.tree import Trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mulle.store import ObjectStore
    from mulle.types import Digest


class FileConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A path that both trees changed differently: its content's digest in each, None where it is not there."""

    path: str
    base: str | None
    ours: str | None
    theirs: str | None

    def told(self) -> str:
        """The conflict in words."""
        ours, theirs = ("absent" if each is None else each[:15] for each in (self.ours, self.theirs))
        return f"{self.path}: {ours} here, {theirs} there"


def merge_trees(
    store: ObjectStore, base: Digest | None, ours: Digest, theirs: Digest
) -> tuple[Digest, list[FileConflict]]:
    """The merged tree, its nodes stored, and the conflicts; where there are any, the tree is ours.

    A path that is a file in one tree and a folder in the other is a conflict too.
    """
    trees = Trees(store)
    root = None if base is None else trees.root(base)
    mine, other = trees.root(ours), trees.root(theirs)
    here = {change.path: change.after for change in trees.diff(root, mine)}
    there = {change.path: (change.before, change.after) for change in trees.diff(root, other)}
    taken: dict[bytes, Entry | None] = {}
    conflicts = []
    for path, (before, after) in there.items():
        if path not in here:
            taken[path] = after
        elif not _same(here[path], after):
            conflicts.append(_conflict(path, before, here[path], after))
    if not conflicts:
        files = {**dict(trees.walk(mine)), **taken}
        left = {path: entry for path, entry in files.items() if entry is not None}
        conflicts = [_conflict(path, None, here.get(path), taken.get(path)) for path in _both_file_and_folder(left)]
    if conflicts:
        return ours, conflicts
    return from_raw(put_files(left.items(), store.put).raw), []


def _same(a: Entry | None, b: Entry | None) -> bool:
    if a is None or b is None:
        return a is b
    return (a.raw, a.mode) == (b.raw, b.mode)


def _conflict(path: bytes, before: Entry | None, ours: Entry | None, theirs: Entry | None) -> FileConflict:
    base, here, there = (None if each is None else each.digest for each in (before, ours, theirs))
    return FileConflict(path=shown(path), base=base, ours=here, theirs=there)


def _both_file_and_folder(files: dict[bytes, Entry]) -> Iterator[bytes]:
    """The files at whose path others lie as in a folder."""
    folders = {path[:place] for path in files for place, mark in enumerate(path) if mark == ord("/")}
    return (path for path in files if path in folders)
