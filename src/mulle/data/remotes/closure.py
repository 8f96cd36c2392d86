"""The objects that versions need: walked here for a push, and fetched there, level by level, for a pull."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mulle.data import manifest
from mulle.data.remotes.through import Through
from mulle.data.verify import objects_under
from mulle.errors import StoreError
from mulle.hashing.tree import FOLDER, children
from mulle.store.tree import Trees

if TYPE_CHECKING:
    from mulle.store import ObjectStore
    from mulle.types import Digest

Bring = Callable[[Sequence["Digest"]], None]
"""Makes objects be here."""


def needed(store: ObjectStore, manifests: Iterable[Digest], there: Iterable[Digest] = ()) -> Iterator[Digest]:
    """The objects of some versions, each once and always in the same order; of each version what names others first.

    Args:
        store: where they are.
        manifests: the digests of the versions' manifests.
        there: manifests of versions that are known to be whole on the other side: directories and lists that they
            share are not gone into.
    """
    seen: set[Digest] = set()
    for digest in there:
        seen.update(each for each in _walk(store, digest, seen, files=False))
    known = frozenset(seen)
    for digest in manifests:
        for each in _walk(store, digest, seen, files=True):
            if each not in known:
                yield each


def _walk(store: ObjectStore, digest: Digest, seen: set[Digest], *, files: bool) -> Iterator[Digest]:
    """The objects of a version that were not seen yet; without `files`, those that name others only."""
    if digest in seen:
        return
    seen.add(digest)
    yield digest
    held = manifest.load(store, digest)
    if not isinstance(held, manifest.FilesManifest):
        for each, _ in objects_under(store, digest):
            if each not in seen:
                seen.add(each)
                yield each
        return
    stack = [held.tree] if held.tree == digest or held.tree not in seen else []
    seen.add(held.tree)
    contents: list[Digest] = []
    while stack:
        node = stack.pop()
        if node != digest:
            yield node
        for below in children(store.get(node)):
            if below.digest not in seen and (files or below.is_node):
                seen.add(below.digest)
                (stack if below.is_node else contents).append(below.digest)
    yield from contents  # the directories lie together, so that whoever pulls reads them at once


def bring(through: Through, digest: Digest, path: bytes = b"") -> None:
    """Fetch what a version needs and this workspace lacks; of a tree only what lies at `path`, where it is given.

    Raises:
        StoreError: an object is missing or damaged there, or nothing lies at the path.
    """
    through.bring([digest])
    held = manifest.load(through.local, digest)
    if isinstance(held, manifest.FilesManifest):
        _bring_tree(through, held.tree, path)
    elif path:
        raise StoreError(
            "a table has no paths",
            cause=f"'{path.decode(errors='replace')}' was asked of a version that is a table",
            cure="leave out --path; mulle data read --remote REMOTE reads some columns of it",
        )
    else:
        _bring_table(through, digest, held)


def _bring_tree(through: Through, tree: Digest, path: bytes) -> None:
    level = [tree]
    if path:
        trees = Trees(through)
        found = trees.find(trees.root(tree), path)
        if found is None:
            raise StoreError(
                f"there is no '{path.decode(errors='replace')}' in the version",
                cause="no file or folder of that path is in it",
                cure="leave out --path, or mend it",
            )
        level = [found.digest]
        if found.kind != FOLDER:
            through.bring(level)
            return
    seen: set[Digest] = set()
    while level:
        through.bring(level)
        files: list[Digest] = []
        following: list[Digest] = []
        for node in level:
            for below in children(through.local.get(node)):
                if below.digest not in seen:
                    seen.add(below.digest)
                    (following if below.is_node else files).append(below.digest)
        through.bring(files)
        level = following


def _bring_table(through: Through, digest: Digest, held: manifest.Manifest) -> None:
    """The parts first, all at once; then whatever they in turn need."""
    list(manifest.lists(through, held))
    through.bring([entry.digest for entry in manifest.parts(through, held)])
    through.bring([each for each, _ in objects_under(through, digest)])
