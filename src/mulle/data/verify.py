"""Walking every object of every version, to the last one, whatever is damaged on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mulle.data import manifest, parts
from mulle.data.model import Damage, VerifyReport
from mulle.errors import StoreError
from mulle.hashing import decode_manifest, from_raw
from mulle.hashing.tree import FOLDER, decode_node, is_node, shown
from mulle.store.tree import reachable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from mulle.data.model import Version
    from mulle.store import ObjectStore
    from mulle.types import Digest


def objects_of(store: ObjectStore, version: Version) -> Iterator[tuple[Digest, int]]:
    """The objects a version needs with their sizes (0 where unknown): manifest, lists, parts, their sources; files."""
    yield from objects_under(store, version.digest)


def objects_under(store: ObjectStore, digest: Digest) -> Iterator[tuple[Digest, int]]:
    """The objects that a version with that manifest needs: see `objects_of`."""
    yield digest, 0
    held = manifest.load(store, digest)
    if isinstance(held, manifest.FilesManifest):
        yield from ((each.digest, each.size) for each in reachable(store, held.tree))
        return
    yield from ((entry.digest, 0) for entry in manifest.lists(store, held))
    for entry in manifest.parts(store, held):
        sources = parts.pieces(store, entry)
        yield entry.digest, entry.bytes - sum(size for _, size in sources)
        yield from sources


def verify_versions(store: ObjectStore, versions: Iterable[Version], partial: Collection[str] = ()) -> VerifyReport:
    """Read every object of the store once, and name what is missing or damaged by the newest version that needs it.

    Args:
        store: has the objects.
        versions: of every dataset, the newest first.
        partial: references of versions that were fetched in part only: what they lack is not missed.
    """
    walk = _Walk(store, {each.digest: each.problem for each in store.verify()})
    count = 0
    for version in versions:
        count += 1
        walk.version(version, partial=version.ref in partial)
    unnamed = [
        Damage(ref="", path="", digest=digest, problem=problem)
        for digest, problem in walk.broken.items()
        if digest not in walk.seen
    ]
    return VerifyReport(versions=count, objects=len(walk.seen), damaged=[*walk.damaged, *unnamed])


@dataclass
class _Walk:
    """What was met so far; each object is looked at once, and what lies below a damaged one is left out."""

    store: ObjectStore
    broken: dict[Digest, str]
    seen: set[Digest] = field(default_factory=set)
    damaged: list[Damage] = field(default_factory=list)
    ref: str = ""
    partial: bool = False

    def version(self, version: Version, *, partial: bool) -> None:
        """Meet all that a version needs."""
        self.ref, self.partial = version.ref, partial
        if not self._sound(version.digest):
            return
        held = manifest.load(self.store, version.digest)
        if isinstance(held, manifest.FilesManifest):
            if held.tree == version.digest:  # of a former format: the list of all files itself
                self._inside(self.store.get(held.tree), "")
            else:
                self._folder(held.tree, "")
            return
        for depth, level in enumerate(held.levels):
            for entry in level:
                self._listed(entry, depth)

    def _sound(self, digest: Digest, path: str = "") -> bool:
        """Whether an object is met for the first time and can be read; else what is wrong with it is kept."""
        if digest in self.seen:
            return False
        problem = self.broken.get(digest) or ("" if self.store.has(digest) else "missing")
        if problem == "missing" and self.partial:
            return False
        self.seen.add(digest)
        if problem:
            self.damaged.append(Damage(ref=self.ref, path=path, digest=digest, problem=problem))
        return not problem

    def _folder(self, node: Digest, path: str) -> None:
        if self._sound(node, path or "."):
            self._inside(self.store.get(node), path)

    def _inside(self, data: bytes, path: str) -> None:
        """What a node names: a folder's entries, or the nodes that a large folder is split into."""
        if not is_node(data):
            for file in decode_manifest(data):
                self._sound(file.digest, path + file.path)
            return
        node = decode_node(data)
        for run in node.runs:
            self._folder(from_raw(run.raw), path)
        for entry in node.entries:
            below = path + shown(entry.name)
            if entry.kind == FOLDER:
                self._folder(from_raw(entry.raw), f"{below}/")
            else:
                self._sound(entry.digest, below)

    def _listed(self, entry: manifest.Entry, depth: int) -> None:
        if not self._sound(entry.digest):
            return
        if depth:
            for below in manifest.entries_of(self.store, entry):
                self._listed(below, depth - 1)
        else:
            self._sources(entry)

    def _sources(self, entry: manifest.Entry) -> None:
        """What a part that is a patch is made of."""
        try:
            for digest, _ in parts.pieces(self.store, entry):
                self._sound(digest)
        except StoreError as error:
            self.damaged.append(Damage(ref=self.ref, path="", digest=entry.digest, problem=error.message))
