"""What is in a working copy now: compared with the index, read where the index does not know, kept where asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mulle.data.working.index import Folder, Index, Row, entry, row
from mulle.data.working.scan import Found, join, walk
from mulle.hashing import digest_bytes, from_raw
from mulle.hashing.tree import Entry, Summary, folder_entry, put_directory
from mulle.store import LocalStore
from mulle.store.bulk import Crew, to_take
from mulle.store.port import ObjectStore
from mulle.store.taking import Taken, Wanted
from mulle.types import Digest

_NODES = 4 << 20


class Change(NamedTuple):
    """A file that is not what the index says: its entry there and its entry now, None where it is not there.

    `row` is what the index would say of it now.
    """

    path: bytes
    before: Entry | None
    after: Entry | None
    row: Row | None = None


class _Nodes:
    """Nodes on their way into the store, many at once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._held: list[bytes] = []
        self._bytes = 0

    def put(self, node: bytes) -> Digest:
        self._held.append(node)
        self._bytes += len(node)
        if self._bytes >= _NODES:
            self.keep()
        return digest_bytes(node)

    def keep(self) -> None:
        """Store what is held."""
        if isinstance(self._store, LocalStore):
            self._store.put_many(self._held)
        else:
            for node in self._held:
                self._store.put(node)
        self._held, self._bytes = [], 0


class _Made(NamedTuple):
    """A directory's node, None where no file is below it, and whether it is another one than the index knew."""

    summary: Summary | None
    is_new: bool


class _Open:
    """A directory of which some files are still being read."""

    __slots__ = ("found", "known", "taken", "waiting")

    def __init__(self, found: Found, known: Folder) -> None:
        self.found = found
        self.known = known
        self.taken: dict[bytes, Taken] = {}
        self.waiting = [name for name, now in found.files if (was := known.files.get(name)) is None or was[1:6] != now]


class Survey:
    """One pass over a working copy; nothing of it is kept in memory but what changed and what is being read.

    With `keep`, what is new goes into the store, the index becomes that of the copy as it is, and `tree` its tree.
    Without, `changes` tells what differs from the index, in which only the stamps of files of the same content are
    renewed.
    """

    def __init__(
        self,
        store: ObjectStore,
        index: Index,
        root: Path,
        *,
        keep: bool,
        processes: int | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.changes: list[Change] = []
        self.leftovers: list[tuple[bytes, list[bytes]]] = []
        self.tree: Digest | None = None
        self._store = store
        self._index = index
        self._root = root
        self._keep = keep
        self._crew = Crew(store, root if root.is_dir() else root.parent, keep=keep, processes=processes)
        self._nodes = _Nodes(store)
        self._began = now_ns()
        self._open: deque[_Open] = deque()
        self._below: dict[bytes, _Made] = {}
        self._gone = set(index.folders())

    def run(self) -> None:
        """Do it.

        Raises:
            DataError: there is nothing at the path.
            StoreError: a file cannot be read, or what is new not be written.
        """
        for about, files in self._crew.work(to_take(self._unknown())):
            for (folder, name), taken in zip(about, files, strict=True):
                folder.taken[name] = taken
            self._close_whole()
        self._close_whole()
        for path in sorted(self._gone):
            self._forget(path)
        if self._keep:
            whole = self._below.pop(b"").summary or put_directory([], self._nodes.put)
            self._nodes.keep()
            self._store.flush()
            self.tree = from_raw(whole.raw)
            self._index.set_tree(self.tree)

    def _unknown(self) -> Iterator[tuple[Wanted, int, tuple[_Open, bytes]]]:
        """The files to read."""
        for found in walk(self._root):
            self._gone.discard(found.path)
            if found.leftovers:
                self.leftovers.append((found.path, found.leftovers))
            opened = _Open(found, self._index.folder(found.path))
            self._open.append(opened)
            if opened.waiting:
                waiting = set(opened.waiting)
                for name, (size, *_) in found.files:
                    if name in waiting:
                        was = opened.known.files.get(name)
                        yield Wanted(join(found.path, name), was[6] if was else b""), size, (opened, name)
            self._close_whole()

    def _close_whole(self) -> None:
        while self._open and len(self._open[0].taken) == len(self._open[0].waiting):
            self._close(self._open.popleft())

    def _close(self, folder: _Open) -> None:
        """All files of a directory are known: note what changed, and make its node where that is asked."""
        path, known = folder.found.path, folder.known.files
        rows: list[Row] = []
        fresh = False
        for name, _ in folder.found.files:
            taken = folder.taken.get(name)
            was = known.get(name)
            if taken is None:
                assert was is not None
                rows.append(was)
                continue
            now = row(name, taken, self._began)
            same = was is not None and (was[6], was[5]) == (now[6], now[5])
            if not same and not self._keep:
                self.changes.append(Change(join(path, name), entry(was) if was else None, entry(now), now))
            if same or self._keep:
                rows.append(now)
                fresh = fresh or now != was
            elif was is not None:
                rows.append(was)
        present = {name for name, _ in folder.found.files}
        lost = [known[name] for name in known if name not in present]
        if self._keep:
            self._make_node(folder, rows, fresh=fresh or bool(lost))
            return
        self.changes += [Change(join(path, was[0]), entry(was), None) for was in lost]
        if fresh:
            self._index.put(path, folder.known.tree, folder.known.folders, rows + lost)

    def _make_node(self, folder: _Open, rows: list[Row], *, fresh: bool) -> None:
        path, known = folder.found.path, folder.known
        below = [(name, self._below.pop(join(path, name))) for name in folder.found.folders]
        inner = [(name, made.summary) for name, made in below if made.summary is not None]
        names = [name for name, _ in inner]
        if not fresh and known.tree and names == known.folders and not any(made.is_new for _, made in below):
            self._below[path] = _Made(known.tree, is_new=False)
            return
        entries = [entry(found) for found in rows] + [folder_entry(name, summary) for name, summary in inner]
        entries.sort(key=lambda each: each.name)
        made = put_directory(entries, self._nodes.put) if entries else None
        self._below[path] = _Made(made, is_new=made != known.tree)
        if entries:
            self._index.put(path, made, names, rows)
        else:
            self._index.remove(path)

    def _forget(self, path: bytes) -> None:
        """A directory is gone, and all files in it."""
        if self._keep:
            self._index.remove(path)
            return
        for was in self._index.folder(path).files.values():
            self.changes.append(Change(join(path, was[0]), entry(was), None))
