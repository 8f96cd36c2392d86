"""What a workspace reaches: from every reference, through trees, manifests, lists and whatever else names digests."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.catalog.digests import DIGEST, digests_named
from mulle.data.tables import profile_cache
from mulle.data.working import index as working
from mulle.errors import StoreError
from mulle.hashing import from_raw, to_raw
from mulle.hashing.tree import children, decode_manifest, is_node

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.store import ObjectStore
    from mulle.types import Digest

HISTORY = frozenset({"event", "node", "edge", "removed_version"})
"""Tables that tell what was: they name objects without keeping them."""
_CACHES = frozenset({profile_cache.name})
"""Tables whose rows are kept only as long as what they are about."""
_CONTENT = (b"PAR1", b"ARROW1", b"\x93NUMPY", b"\x89PNG", b"\xff\xd8\xff")
"""How objects begin that are content, and name nothing."""
_LONGEST = 64 << 20
_HEAD = 64
Reference = tuple[bytes, str, bool]
"""A digest (raw), where it is named, and whether it may name others: a file's content does not."""


class Reach:
    """Marks what is reachable. With `explain` it remembers for each object what names it."""

    def __init__(self, catalog: Catalog, store: ObjectStore, folder: Path | None, *, explain: bool = False) -> None:
        """Wire it.

        Args:
            catalog: its rows are references.
            store: where the objects are.
            folder: the workspace's folder, whose working copies, spool and online features hold references too.
            explain: whether `why` will be asked.
        """
        self._catalog = catalog
        self._store = store
        self._folder = folder
        self._explain = explain
        self._named_by: dict[bytes, bytes | str] = {}
        self._read: set[bytes] = set()
        self.reached: set[bytes] = set()
        self.stale_profiles: list[str] = []

    def mark(self) -> set[bytes]:
        """Every reachable digest, raw.

        Raises:
            StoreError: an object that may name others is damaged: what it needs could not be told from garbage.
        """
        self.reached, self._read, self._named_by, self.stale_profiles = set(), set(), {}, []
        for raw, where, holds in self._references():
            if holds:
                self._follow(raw, where)
            else:
                self._name(raw, where)
        self._caches()
        return self.reached

    def why(self, digest: Digest) -> list[str]:
        """What keeps an object: itself, what names it, and so on up to a reference; empty when nothing does."""
        raw = to_raw(digest)
        if raw not in self.reached:
            return []
        chain: list[str] = [digest]
        found: bytes | str | None = self._named_by.get(raw)
        while isinstance(found, bytes):
            chain.append(from_raw(found))
            found = self._named_by.get(found)
        return [*chain, found] if found else chain

    def _references(self) -> Iterator[Reference]:
        with self._catalog.read() as tx:
            yield from ((raw, where, True) for raw, where in digests_named(tx, HISTORY | _CACHES))
        if self._folder is not None:
            yield from of_copies(self._folder / "working")
            yield from of_spool(self._folder / "spool")
            yield from of_database(self._folder / "online.db")

    def _caches(self) -> None:
        with self._catalog.read() as tx:
            rows = tx.all(profile_cache.select())
        for row in rows:
            if to_raw(row.subject) in self.reached:
                self._name(to_raw(row.digest), f"profile_cache({row.subject})")
            else:
                self.stale_profiles.append(row.subject)

    def _follow(self, raw: bytes, by: str) -> None:
        stack: list[tuple[bytes, bytes | str]] = [(raw, by)]
        while stack:
            one, namer = stack.pop()
            self._name(one, namer)
            if one in self._read:
                continue
            self._read.add(one)
            for named, holds in self._names(one):
                if holds:
                    stack.append((named, one))
                else:
                    self._name(named, one)

    def _name(self, raw: bytes, by: bytes | str) -> None:
        if raw in self.reached:
            return
        self.reached.add(raw)
        if self._explain:
            self._named_by[raw] = by
            bases: Callable[[Digest], Iterable[Digest]] | None = getattr(self._store, "bases", None)
            for base in bases(from_raw(raw)) if bases is not None else ():  # the store itself keeps what others lie in
                self._name(to_raw(base), raw)

    def _names(self, raw: bytes) -> Iterator[tuple[bytes, bool]]:
        """The digests that an object names, each with whether it may name others again."""
        data = self._content(from_raw(raw))
        if data is None:
            return
        if is_node(data):
            yield from ((to_raw(child.digest), child.is_node) for child in children(data))
        elif data.startswith(b'{"format":1,"kind":"tree"'):
            yield from ((to_raw(entry.digest), False) for entry in decode_manifest(data))
        else:
            yield from ((bytes.fromhex(found[1].decode()), True) for found in DIGEST.finditer(data))

    def _content(self, digest: Digest) -> bytes | None:
        """The bytes of an object that may name others; None of one that is not here, or is mere content."""
        try:
            head, size = self._head(digest)
        except StoreError:
            return None  # what is not here names nothing; most digests in the catalog are not of objects
        if head.startswith(_CONTENT) or (size > _LONGEST and head[:1] not in (b"{", b"[") and not is_node(head)):
            return None
        try:
            return self._store.get(digest)
        except StoreError as error:
            raise StoreError(
                f"gc cannot tell what {digest} needs",
                cause=error.message,
                cure="nothing was deleted; mulle data verify says what needs it: restore it, or remove that version",
            ) from error

    def _head(self, digest: Digest) -> tuple[bytes, int]:
        head: Callable[[Digest, int], bytes] | None = getattr(self._store, "head", None)
        size = self._store.size(digest)
        return (b"" if head is None else head(digest, _HEAD)), size


def of_copies(folder: Path) -> Iterator[Reference]:
    """What the working copies name: their trees, and every file that their indexes know."""
    for path in sorted(folder.glob("*.db")) if folder.is_dir() else ():
        where = f"working/{path.name}"
        with contextlib.closing(working.Index(path)) as index:
            yield from ((to_raw(tree), where, True) for tree in index.trees())
            for name in index.folders():
                held = index.folder(name)
                if held.tree is not None:
                    yield held.tree.raw, where, True
                yield from ((row[6], where, False) for row in held.files.values())


def of_spool(folder: Path) -> Iterator[Reference]:
    """What facts name that are not in the catalog yet, such as artifacts."""
    for path in sorted(folder.glob("*/*.seg")) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            for found in DIGEST.finditer(path.read_bytes()):
                yield bytes.fromhex(found[1].decode()), f"spool/{path.parent.name}/{path.name}", True


def of_database(path: Path) -> Iterator[Reference]:
    """What an SQLite file of the workspace names in any column."""
    if not path.exists():
        return
    with contextlib.closing(sqlite3.connect(path, timeout=60.0)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, *_ in db.execute(f'PRAGMA table_info("{table}")').fetchall():
                query = f'SELECT "{column}" FROM "{table}" WHERE instr(CAST("{column}" AS BLOB), ?) > 0'  # noqa: S608
                for (value,) in db.execute(query, (b"b3:",)):
                    text = value if isinstance(value, bytes) else str(value).encode()
                    for found in DIGEST.finditer(text):
                        yield bytes.fromhex(found[1].decode()), f"{path.name}:{table}.{column}", True
