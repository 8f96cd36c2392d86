"""Trees of files as objects: a directory is a node that lists its entries; see `docs/en/reference/formats.md`.

    node     "MULLETR" + 02, then MessagePack: [level, items]
    level 0  items are entries: [name, kind, digest, size, files], sorted by the bytes of their names
    level k  items are runs:    [first name, digest, size, files]; each names a node of level k-1

A directory of many entries is cut into runs where the names themselves say so, so that a change rewrites one run and
what leads to it. The same entries always give the same nodes. Format 1, one JSON manifest of all files, is still read.
"""

from __future__ import annotations

import operator
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from mulle.errors import StoreError
from mulle.hashing.content import RAW_SIZE, digest_bytes, from_raw, to_raw
from mulle.types import Digest

FORMAT = 1
EXECUTABLE = 0o755
PLAIN = 0o644
FILE, PROGRAM, FOLDER = 0, 1, 2
"""What an entry is: a file, a file that its owner may execute, a directory."""
RUN = 512
"""Up to so many items a node is not cut."""
_MARK = b"MULLETR\x02"
_BITS = 8
_DEEPEST = 3
Put = Callable[[bytes], Digest]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of a directory: its name, kind, raw digest, and its size and number of files (of all below it)."""

    name: bytes
    kind: int
    raw: bytes
    size: int
    files: int = 1

    @property
    def digest(self) -> Digest:
        """The digest as text."""
        return from_raw(self.raw)

    @property
    def mode(self) -> int:
        """The permissions of a file: 0o755 when executable, else 0o644."""
        return EXECUTABLE if self.kind == PROGRAM else PLAIN


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node beneath an index node: the first name in it, its raw digest, and the size and number of files in it."""

    name: bytes
    raw: bytes
    size: int
    files: int


class Node(NamedTuple):
    """A decoded node: entries at level 0, runs above."""

    level: int
    entries: list[Entry]
    runs: list[Run]


class Child(NamedTuple):
    """An object that a node names; `is_node` tells a further node from a file's content."""

    digest: Digest
    size: int
    is_node: bool


class Summary(NamedTuple):
    """A directory as its parent names it: raw digest, size and number of all files below."""

    raw: bytes
    size: int
    files: int


class TreeEntry(msgspec.Struct, frozen=True):
    """One file of a tree: its relative POSIX path, content, size and mode (0o644, or 0o755 when executable).

    Bytes of the path that are not UTF-8 are surrogates, as `os.fsdecode` writes them.
    """

    path: str
    digest: Digest
    size: int
    mode: int = PLAIN


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    kind: str
    entries: list[TreeEntry]


_head = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_entries = msgspec.msgpack.Decoder(list[Entry])
_runs = msgspec.msgpack.Decoder(list[Run])
_manifest = msgspec.json.Decoder(_Manifest)
T = TypeVar("T", Entry, Run)


def is_node(data: bytes) -> bool:
    """Whether the bytes are spelled as a node; format 1's manifests are not."""
    return data.startswith(_MARK)


def put_directory(entries: Sequence[Entry], put: Put) -> Summary:
    """Store the nodes of one directory.

    Args:
        entries: what is in it, sorted by the bytes of the names, each name once.
        put: keeps an object's bytes and gives its digest.
    """
    runs = [_put_run(put, 0, part) for part in _cut(entries, 0)]
    level = 0
    while len(runs) > 1 or not runs:
        level += 1
        runs = [_put_run(put, level, part) for part in _cut(runs, level)] or [_put_run(put, 0, [])]
    return Summary(runs[0].raw, runs[0].size, runs[0].files)


def _put_run(put: Put, level: int, items: Sequence[Entry] | Sequence[Run]) -> Run:
    raw = to_raw(put(_MARK + msgspec.msgpack.encode((level, items))))
    name = items[0].name if items else b""
    return Run(name, raw, sum(item.size for item in items), sum(item.files for item in items))


def _cut(items: Sequence[T], level: int) -> Iterator[Sequence[T]]:
    """The runs of a level: the items whole, or cut before those names whose CRC-32 ends in enough zero bits."""
    if len(items) <= RUN or level >= _DEEPEST:
        if items:
            yield items
        return
    mask = (1 << _BITS * (level + 1)) - 1
    start, crc = 0, zlib.crc32
    for at, item in enumerate(items):
        if crc(item.name) & mask == 0 and at:
            yield items[start:at]
            start = at
    yield items[start:]


def decode_node(data: bytes) -> Node:
    """A node from its bytes.

    Raises:
        StoreError: the bytes are no node, one of a newer format, or one that names what cannot be in a directory.
    """
    if not is_node(data):
        raise _no_tree(data)
    try:
        level, items = _head.decode(memoryview(data)[len(_MARK) :])
        node = Node(level, _entries.decode(items), []) if level == 0 else Node(level, [], _runs.decode(items))
    except msgspec.MsgspecError as error:
        raise StoreError("not a tree's node", cause=str(error), cure="name the digest of a tree") from error
    _check(node.entries or node.runs, is_entry=level == 0)
    return node


def _no_tree(data: bytes) -> StoreError:
    if data.startswith(_MARK[:-1]) and len(data) > len(_MARK):
        return _newer(data[len(_MARK) - 1])
    return StoreError("not a tree", cause="the bytes are no tree's node", cure="name the digest of a tree")


def _newer(found: int, kind: str = "tree") -> StoreError:
    return StoreError(
        f"a tree manifest of format {found} ({kind}) cannot be read",
        cause="this version of mulle reads trees up to format 2",
        cure="pip install --upgrade mulle",
    )


def _check(items: Sequence[Entry] | Sequence[Run], *, is_entry: bool) -> None:
    names = [item.name for item in items]
    every = b"\0".join(names)
    bad = b"/" in every or every.count(b"\0") != max(len(names) - 1, 0) or not {b"", b".", b".."}.isdisjoint(names)
    if bad or not all(map(operator.lt, names, names[1:])) or any(len(item.raw) != RAW_SIZE for item in items):
        raise forged(", ".join(map(shown, names[:3])))
    if is_entry and any(not FILE <= item.kind <= FOLDER for item in items if isinstance(item, Entry)):
        raise forged("an entry of an unknown kind")


def forged(what: str) -> StoreError:
    """The error for a tree whose names could lead out of it."""
    return StoreError(
        f"the tree names '{what}'",
        cause="a tree's paths lie inside it, each once and in order",
        cure="do not use this tree: it was forged",
    )


def shown(path: bytes) -> str:
    """A path for people and JSON: bytes that are not UTF-8 as backslash escapes."""
    return path.decode("utf-8", "backslashreplace")


def children(data: bytes) -> list[Child]:
    """The objects that a node (or a manifest of format 1) names: nodes and files' contents."""
    if not is_node(data):
        return [Child(entry.digest, entry.size, is_node=False) for entry in decode_manifest(data)]
    node = decode_node(data)
    if node.level:
        return [Child(from_raw(run.raw), run.size, is_node=True) for run in node.runs]
    return [Child(from_raw(entry.raw), entry.size, is_node=entry.kind == FOLDER) for entry in node.entries]


def put_files(files: Iterable[tuple[bytes, Entry]], put: Put) -> Summary:
    """Store the nodes of the tree that holds each file under its path (with `/`; the entry's own name does not count).

    Raises:
        StoreError: a path leads out of the tree, is there twice, or is both a file and a directory.
    """
    root: _Folder = {}
    for path, entry in files:
        *folders, name = path.split(b"/")
        if name in {b"", b".", b".."} or not {b"", b".", b".."}.isdisjoint(folders):
            raise forged(shown(path))
        inner = root
        for folder in folders:
            below = inner.setdefault(folder, {})
            if isinstance(below, Entry):
                raise forged(shown(path))
            inner = below
        if name in inner:
            raise forged(shown(path))
        inner[name] = Entry(name, entry.kind, entry.raw, entry.size)
    return _put_folder(root, put)


_Folder = dict[bytes, "Entry | _Folder"]


def _put_folder(folder: _Folder, put: Put) -> Summary:
    entries: list[Entry] = []
    for name in sorted(folder):
        below = folder[name]
        entries.append(below if isinstance(below, Entry) else folder_entry(name, _put_folder(below, put)))
    return put_directory(entries, put)


def folder_entry(name: bytes, below: Summary) -> Entry:
    """A directory as an entry of its parent."""
    return Entry(name, FOLDER, below.raw, below.size, below.files)


def file_entry(name: bytes, raw: bytes, size: int, *, executable: bool) -> Entry:
    """A file as an entry of its directory."""
    return Entry(name, PROGRAM if executable else FILE, raw, size)


def of_tree_entry(entry: TreeEntry) -> tuple[bytes, Entry]:
    """A file's path in bytes, and the file as an entry."""
    path = os.fsencode(entry.path)
    kind = PROGRAM if entry.mode & 0o100 else FILE
    return path, Entry(path.rpartition(b"/")[2], kind, to_raw(entry.digest), entry.size)


# -- format 1 --------------------------------------------------------------------------------------------------------


def encode_manifest(entries: Iterable[TreeEntry]) -> bytes:
    """A tree in format 1: JSON, entries sorted by the UTF-8 bytes of their paths."""
    ordered = sorted(entries, key=lambda entry: entry.path.encode("utf-8", "surrogatepass"))
    return msgspec.json.encode(_Manifest(FORMAT, "tree", ordered))


def decode_manifest(data: bytes) -> list[TreeEntry]:
    """The entries of a tree in format 1.

    Raises:
        StoreError: the bytes are no such manifest, or one of a newer format.
    """
    try:
        manifest = _manifest.decode(data)
    except msgspec.MsgspecError as error:
        raise StoreError("not a tree manifest", cause=str(error), cure="name the digest of a tree") from error
    if manifest.kind != "tree" or manifest.format > FORMAT:
        raise _newer(manifest.format, manifest.kind)
    return manifest.entries


def digest_tree(entries: Iterable[TreeEntry]) -> Digest:
    """The digest of the tree that holds these files."""
    return from_raw(put_files(map(of_tree_entry, entries), digest_bytes).raw)
