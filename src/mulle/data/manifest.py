"""The manifest of a version: its schema and the ordered list of its parts, small however many parts there are.

Each list in `levels` holds fewer than `FAN` entries. `levels[0]` are the newest parts; an entry of `levels[k]` names
an object that lists exactly `FAN` entries of level k-1, all older than what `levels[k-1]` holds. An append adds one
entry to `levels[0]`; a level that reaches `FAN` is sealed into such an object. So a manifest of n parts holds at most
(FAN-1)·log_FAN(n) entries, and n appends write O(n log n) bytes of manifests in all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mulle.data.logical import Chain
from mulle.errors import StoreError
from mulle.hashing import TreeEntry
from mulle.hashing.tree import children
from mulle.store.tree import Trees
from mulle.types import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mulle.store import ObjectStore

FAN = 32
FORMAT = 1
T = TypeVar("T")
Bound = int | float | str | None


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A Parquet part, or an object that lists entries: its digest, rows, bytes and what its rows span.

    `low` and `high` are the event times in microseconds since 1970, both inclusive, None where there are none.
    `first` and `last` are the smallest and largest value of the first key column, None where unknown.
    """

    digest: Digest
    rows: int
    bytes: int
    low: int | None = None
    high: int | None = None
    first: Bound = None
    last: Bound = None

    def meets(self, start: int | None, end: int | None) -> bool:
        """Whether a row with an event time in [start, end) may be in it."""
        if start is None and end is None:
            return True
        if self.low is None or self.high is None:
            return False
        return (end is None or self.low < end) and (start is None or self.high >= start)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="table"):
    """The manifest of a table's version."""

    format: int = FORMAT
    schema: list[tuple[str, str]]
    key: list[str]
    event_time: str | None
    rows: int
    bytes: int
    logical: Digest
    chain: Chain
    levels: list[list[Entry]]


class FilesManifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    """The manifest of a version that is a tree of files: it names the store's own tree and its totals."""

    format: int = FORMAT
    tree: Digest
    files: int
    bytes: int

    @property
    def logical(self) -> Digest:
        """The digest of paths, modes and contents: that of the tree."""
        return self.tree


class _FormerFiles(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tree"):
    """What a tree's version was before trees were split by directory: the list of all files itself."""

    format: int = FORMAT
    entries: list[TreeEntry]


def encode(manifest: Manifest | FilesManifest) -> bytes:
    """The manifest's bytes: JSON."""
    return msgspec.json.encode(manifest)


def of_tree(store: ObjectStore, tree: Digest) -> FilesManifest:
    """The manifest of a tree that is in the store."""
    root = Trees(store).root(tree)
    return FilesManifest(tree=tree, files=root.files, bytes=root.size)


_manifests = msgspec.json.Decoder(Manifest | FilesManifest | _FormerFiles)
_entries = msgspec.json.Decoder(list[Entry])


class Recent:
    """The most recently used decoded values by digest, bounded by their total weight. Safe from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Digest, tuple[Any, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, digest: Digest, make: Callable[[], T], weigh: Callable[[T], int]) -> T:
        """The held value, or the one that `make` gives, held from now on unless it is heavier than a quarter of all."""
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
                held: T = self._held[digest][0]
                return held
        value = make()
        weight = weigh(value)
        if weight * 4 > self._limit:
            return value
        with self._lock:
            if digest not in self._held:
                self._held[digest] = (value, weight)
                self._weight += weight
            while self._weight > self._limit:
                self._weight -= self._held.popitem(last=False)[1][1]
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._weight = 0


_decoded = Recent(16 << 20)


def load(store: ObjectStore, digest: Digest) -> Manifest | FilesManifest:
    """The manifest of that digest, decoded once in a while.

    Raises:
        StoreError: it is missing, damaged, or of a format that this mulle does not know.
    """
    return _decoded.get(digest, lambda: _parse(store, digest), lambda _: 8192)


def load_table(store: ObjectStore, digest: Digest) -> Manifest:
    """The manifest of a table's version."""
    manifest = load(store, digest)
    if isinstance(manifest, FilesManifest):
        raise StoreError(
            f"{digest[:15]} is a tree of files, not a table", cure="read a table's version, or check the files out"
        )
    return manifest


def _parse(store: ObjectStore, digest: Digest) -> Manifest | FilesManifest:
    try:
        manifest: Manifest | FilesManifest | _FormerFiles = _manifests.decode(store.get(digest))
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"object {digest[:15]} is not a dataset's manifest", cause=str(error), cure="mulle data verify"
        ) from error
    if manifest.format != FORMAT:
        raise StoreError(
            f"the manifest {digest[:15]} has format {manifest.format}",
            cause=f"this mulle reads format {FORMAT}",
            cure="pip install --upgrade mulle",
        )
    if isinstance(manifest, _FormerFiles):
        size = sum(entry.size for entry in manifest.entries)
        return FilesManifest(tree=digest, files=len(manifest.entries), bytes=size)
    return manifest


def appended(store: ObjectStore, levels: Sequence[Sequence[Entry]], entry: Entry) -> list[list[Entry]]:
    """The levels with one more part at the end; full levels are sealed into objects of the store."""
    grown = [list(level) for level in levels] or [[]]
    grown[0].append(entry)
    depth = 0
    while len(grown[depth]) == FAN:
        if depth + 1 == len(grown):
            grown.append([])
        grown[depth + 1].append(_sealed(store, grown[depth]))
        grown[depth] = []
        depth += 1
    return grown


def _sealed(store: ObjectStore, entries: list[Entry]) -> Entry:
    lows = [entry.low for entry in entries if entry.low is not None]
    highs = [entry.high for entry in entries if entry.high is not None]
    firsts: list[Any] = [entry.first for entry in entries if entry.first is not None]
    lasts: list[Any] = [entry.last for entry in entries if entry.last is not None]
    known = len(firsts) == len(entries)
    return Entry(
        digest=store.put(msgspec.json.encode(entries)),
        rows=sum(entry.rows for entry in entries),
        bytes=sum(entry.bytes for entry in entries),
        low=min(lows, default=None),
        high=max(highs, default=None),
        first=min(firsts) if known else None,
        last=max(lasts) if known else None,
    )


def parts(
    store: ObjectStore,
    manifest: Manifest,
    wanted: Callable[[Entry], bool] = lambda entry: True,  # noqa: ARG005
) -> Iterator[Entry]:
    """The parts for which `wanted` holds, in row order; a list of which it does not hold is not even read."""
    for depth in reversed(range(len(manifest.levels))):
        for entry in manifest.levels[depth]:
            yield from _below(store, entry, depth, wanted)


def entries_of(store: ObjectStore, entry: Entry) -> list[Entry]:
    """The entries that an object lists."""
    return _entries.decode(store.get(entry.digest))


def _below(store: ObjectStore, entry: Entry, depth: int, wanted: Callable[[Entry], bool]) -> Iterator[Entry]:
    if not wanted(entry):
        return
    if depth == 0:
        yield entry
        return
    for inner in _decoded.get(entry.digest, lambda: _entries.decode(store.get(entry.digest)), lambda _: 8192):
        yield from _below(store, inner, depth - 1, wanted)


def lists(store: ObjectStore, manifest: Manifest) -> Iterator[Entry]:
    """The objects that list entries, at every depth: with the parts and the manifest, all that a version needs."""
    for depth in range(1, len(manifest.levels)):
        for entry in manifest.levels[depth]:
            yield from _lists_below(store, entry, depth)


def _lists_below(store: ObjectStore, entry: Entry, depth: int) -> Iterator[Entry]:
    yield entry
    if depth > 1:
        for inner in _entries.decode(store.get(entry.digest)):
            yield from _lists_below(store, inner, depth - 1)


def holds(store: ObjectStore, manifest: Manifest | FilesManifest, digest: str, known: dict[Digest, bool]) -> bool:
    """Whether an object is one of the version's parts or files.

    `known` remembers the lists that were searched, so that asking many versions of a dataset searches each list once.
    """
    if isinstance(manifest, FilesManifest):
        return _tree_holds(store, manifest.tree, digest, known)
    levels = enumerate(manifest.levels)
    return any(_holds(store, entry, depth, digest, known) for depth, level in levels for entry in level)


def _tree_holds(store: ObjectStore, node: Digest, digest: str, known: dict[Digest, bool]) -> bool:
    if node not in known:
        below = children(store.get(node))
        known[node] = any(each.digest == digest for each in below if not each.is_node) or any(
            _tree_holds(store, each.digest, digest, known) for each in below if each.is_node
        )
    return known[node]


def _holds(store: ObjectStore, entry: Entry, depth: int, digest: str, known: dict[Digest, bool]) -> bool:
    if depth == 0:
        return entry.digest == digest or _patches(store, entry, digest)
    if entry.digest not in known:
        inner = _entries.decode(store.get(entry.digest))
        known[entry.digest] = any(_holds(store, each, depth - 1, digest, known) for each in inner)
    return known[entry.digest]


def _patches(store: ObjectStore, entry: Entry, digest: str) -> bool:
    """Whether a part is a patch of an object: it then is shorter than all that it needs, and names that."""
    return store.size(entry.digest) < entry.bytes and digest.encode() in store.get(entry.digest)
