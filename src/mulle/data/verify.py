"""Walking every object of every version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.data import manifest, parts
from mulle.data.model import Damage, VerifyReport
from mulle.errors import StoreError
from mulle.store.tree import reachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def verify_versions(store: ObjectStore, versions: Iterable[Version]) -> VerifyReport:
    """Read each object once, and say which is missing or damaged and the newest version that needs it."""
    seen: set[Digest] = set()
    damaged: list[Damage] = []
    count = 0
    for version in versions:
        count += 1
        try:
            for digest, _ in objects_of(store, version):
                if digest not in seen:
                    seen.add(digest)
                    damaged += _damage(store, version, digest)
        except StoreError as error:
            damaged.append(Damage(ref=version.ref, digest=version.digest, problem=error.message))
    return VerifyReport(versions=count, objects=len(seen), damaged=damaged)


def _damage(store: ObjectStore, version: Version, digest: Digest) -> list[Damage]:
    try:
        store.get(digest)
    except StoreError as error:
        return [Damage(ref=version.ref, digest=digest, problem=error.message)]
    return []
