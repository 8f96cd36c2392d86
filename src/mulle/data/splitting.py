"""Splitting a version into partitions, each with a digest of its own, so that only work on changed ones is done again.

A tree of files is split by a glob, as Pachyderm's datums are; a table by the values of columns or of an expression.
What a partition's digest needs is remembered for each part of the table, so parts that did not change are not read.
"""

from __future__ import annotations

import fnmatch
import functools
import io
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import polars as pl
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from mulle.data import logical, manifest, parts
from mulle.data.manifest import Entry, FilesManifest, Manifest, Recent
from mulle.data.partitions import Partition, Partitions
from mulle.data.tables import partition_cache
from mulle.errors import DataError
from mulle.hashing import digest_value, from_raw
from mulle.hashing.tree import FOLDER, Summary, put_directory
from mulle.hashing.tree import Entry as TreeEntry
from mulle.store.tree import Trees
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.store import ObjectStore

MOST = 10_000
"""More partitions than this are a mistake: a column that nearly identifies rows."""
_PLAIN = " !$&'()*+,;:@~.-_"
"""What stands in a partition's key as it is, besides letters and digits."""
_KEY = "mulle partition "
"""What comes before the names of key columns while rows are split."""
_split = Recent(128 << 20)
_INSERT = insert(partition_cache).on_conflict_do_nothing()


def split(catalog: Catalog, store: ObjectStore, version: Version, asked: Partitions) -> list[Partition]:
    """The partitions of a version: of a table in the order of their first rows, of a tree in that of their paths.

    Raises:
        DataError: a table was asked for by a glob or a tree by a column, a column is not there or cannot part rows, or
            there are too many.
    """
    held = manifest.load(store, version.digest)
    if isinstance(held, FilesManifest) != bool(asked.glob):
        raise DataError(
            f"{version.ref} cannot be split {'by a glob' if asked.glob else 'by a column'}",
            cause=f"it is {'a tree of files' if isinstance(held, FilesManifest) else 'a table'}",
            cure='mulle.partitions(dataset, glob="*/") splits files, mulle.partitions(dataset, by="column") tables',
        )
    if isinstance(held, FilesManifest):
        found = list(_of_files(store, version, held, asked))
    else:
        found = _Table(catalog, store, version, asked).split(held)
    if len(found) > MOST:
        raise DataError(
            f"{version.ref} falls into {len(found):,} partitions",
            cause=f"more than {MOST:,} are a sign that the column nearly identifies rows",
            cure="split by a coarser column or expression",
        )
    return found


# -- tables ----------------------------------------------------------------------------------------------------------


class _Group(msgspec.Struct, frozen=True, array_like=True):
    """The rows of one partition in one part: its key, and the logical digest of these rows."""

    key: str
    digest: Digest


_decoder = msgspec.json.Decoder(list[_Group])


def _expressions(held: Manifest, asked: Partitions, ref: str) -> bytes:
    """What to split by, as text that another process reads."""
    names = [name for name, _ in held.schema]
    found = [pl.col(each) if isinstance(each, str) else each for each in asked.by]
    missing = [root for each in found for root in each.meta.root_names() if root not in names]
    if missing:
        raise DataError(
            f"{ref} has no column '{missing[0]}' to be split by",
            cause=f"the columns are {', '.join(names)}",
            cure="name one of these",
        )
    return msgspec.msgpack.encode([each.meta.serialize() for each in found])


class _Table:
    """Splits one version of a table."""

    def __init__(self, catalog: Catalog, store: ObjectStore, version: Version, asked: Partitions) -> None:
        self._store = store
        self._version = version
        self._asked = asked
        self._memory = _Memory(catalog)

    def split(self, held: Manifest) -> list[Partition]:
        by = _expressions(held, self._asked, self._version.ref)
        pieces: dict[str, list[tuple[Entry, Digest]]] = {}
        for entry, groups in self._groups([e for e in manifest.parts(self._store, held) if e.rows], by):
            for group in groups:
                pieces.setdefault(group.key, []).append((entry, group.digest))
        subjects = {key: digest_value(["whole", [digest for _, digest in found]]) for key, found in pieces.items()}
        self._memory.ask(subjects[key] for key, found in pieces.items() if len(found) > 1)
        made = [self._partition(key, found, by, subjects[key]) for key, found in pieces.items()]
        self._memory.flush()
        return made

    def _groups(self, entries: Sequence[Entry], by: bytes) -> Iterator[tuple[Entry, list[_Group]]]:
        subjects = [digest_value(["groups", entry.digest, by]) for entry in entries]
        self._memory.ask(subjects)
        for entry, subject in zip(entries, subjects, strict=True):
            known = self._memory.get(subject)
            groups = _decoder.decode(known) if known else _groups_of(self._store, entry, by)
            if not known:
                self._memory.keep(subject, msgspec.json.encode(groups).decode())
            yield entry, groups

    def _partition(self, key: str, found: Sequence[tuple[Entry, Digest]], by: bytes, subject: str) -> Partition:
        """The partition of a key. Where its rows are in several parts, they are read once for their digest together."""
        entries = tuple(entry for entry, _ in found)
        digest = found[0][1] if len(found) == 1 else Digest(self._memory.get(subject))
        if not digest:
            digest = logical.extend(logical.EMPTY, rows_of(self._store, entries, by, key))[0]
            self._memory.keep(subject, digest)
        size = sum(entry.bytes for entry in entries)
        return Partition(self._asked.source, self._version.ref, key, digest, by, entries, size)


def rows_of(store: ObjectStore, entries: Iterable[Entry], by: bytes, key: str) -> pl.DataFrame:
    """The rows of one partition, in order; needs no catalog."""
    frames = [_rows_in(store, entry, by, key) for entry in entries]
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def decode_pieces(data: bytes) -> list[Entry]:
    """The parts that a partition names, from JSON."""
    return msgspec.json.decode(data, type=list[Entry])


def _groups_of(store: ObjectStore, entry: Entry, by: bytes) -> list[_Group]:
    pieces = _pieces_of(store, entry, by)
    return [_Group(key, logical.extend(logical.EMPTY, rows)[0]) for key, rows in pieces.items()]


def _pieces_of(store: ObjectStore, entry: Entry, by: bytes) -> dict[str, pl.DataFrame]:
    """The rows of a part by the key of their partition; kept for the next that asks in this process."""
    name = Digest(digest_value([entry.digest, by]))
    return _split.get(name, lambda: _cut(parts.read(store, entry), by), _weight)


def _rows_in(store: ObjectStore, entry: Entry, by: bytes, key: str) -> pl.DataFrame:
    """The rows of one partition in a part. A large part is not split whole for it: nobody could keep the pieces."""
    if entry.bytes <= parts.LARGE:
        return _pieces_of(store, entry, by)[key]
    table = parts.read(store, entry)
    keys = table.select(_deserialised(by))
    named = (values for values in keys.unique().iter_rows() if _key(keys.columns, values) == key)
    wanted = next(named)
    same = (
        keys[name].eq_missing(pl.Series([value], dtype=keys.schema[name]))
        for name, value in zip(keys.columns, wanted, strict=True)
    )
    return table.filter(functools.reduce(operator.and_, same))


def _deserialised(by: bytes) -> list[pl.Expr]:
    return [pl.Expr.deserialize(io.BytesIO(each)) for each in msgspec.msgpack.decode(by)]


def _weight(pieces: dict[str, pl.DataFrame]) -> int:
    return 4096 + sum(int(rows.estimated_size()) + 256 for rows in pieces.values())


def _cut(table: pl.DataFrame, by: bytes) -> dict[str, pl.DataFrame]:
    keys = table.select(_deserialised(by))
    _check(keys)
    named = keys.rename({name: f"{_KEY}{name}" for name in keys.columns})
    pieces = table.hstack(named).partition_by(named.columns, maintain_order=True, include_key=False, as_dict=True)
    return {_key(keys.columns, values): rows for values, rows in pieces.items()}


def _check(keys: pl.DataFrame) -> None:
    for name, dtype in keys.schema.items():
        if dtype.is_float() or dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object):
            raise DataError(
                f"rows cannot be split by '{name}'",
                cause=f"it is {dtype}, whose values do not name a partition well",
                cure="split by text, whole numbers, truth values or times; round it to an integer first",
            )


def _key(names: Sequence[str], values: Sequence[Any]) -> str:
    """The name of a partition: `carrier=AA/day=2013-01-01`; a null is a name without `=`."""
    return "/".join(
        _plain(name) if value is None else f"{_plain(name)}={_plain(_text(value))}"
        for name, value in zip(names, values, strict=True)
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain(text: str) -> str:
    return "".join(mark if mark.isalnum() or mark in _PLAIN else quote(mark, safe="") for mark in text)


class _Memory:
    """What was computed of parts before; lies in the catalog and may be forgotten at any time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, str] = {}
        self._new: dict[str, str] = {}

    def ask(self, subjects: Iterable[str]) -> None:
        """Look many up in a few queries."""
        wanted = list(subjects)
        with self._catalog.read() as tx:
            for start in range(0, len(wanted), 500):
                which = partition_cache.c.subject.in_(wanted[start : start + 500])
                self._known |= {row.subject: row.value for row in tx.execute(select(partition_cache).where(which))}

    def get(self, subject: str) -> str:
        """What is known; "" where nothing is."""
        return self._known.get(subject, "")

    def keep(self, subject: str, value: str) -> None:
        self._known[subject] = self._new[subject] = value

    def flush(self) -> None:
        """Write down what is new."""
        if self._new:
            with self._catalog.write() as tx:
                tx.execute(_INSERT, [{"subject": name, "value": value} for name, value in self._new.items()])


# -- trees of files --------------------------------------------------------------------------------------------------


def _of_files(store: ObjectStore, version: Version, held: FilesManifest, asked: Partitions) -> Iterator[Partition]:
    trees = Trees(store)
    only_folders = asked.glob.endswith("/") and asked.glob != "/"
    patterns = [each for each in asked.glob.split("/") if each]
    for path, entry in _matching(trees, trees.root(held.tree), (), patterns):
        if entry.kind != FOLDER and only_folders:
            continue
        if entry.kind == FOLDER and "**" in patterns:
            continue  # its files match themselves
        tree = _rooted(store, path, entry)
        key = b"/".join(path).decode("utf-8", "replace") + ("/" if entry.kind == FOLDER else "")
        yield Partition(asked.source, version.ref, key, tree, bytes=entry.size)


def _matching(
    trees: Trees, entry: TreeEntry, path: tuple[bytes, ...], patterns: Sequence[str]
) -> Iterator[tuple[tuple[bytes, ...], TreeEntry]]:
    if not patterns:
        yield path, entry
        return
    if entry.kind != FOLDER:
        if list(patterns) == ["**"]:
            yield path, entry
        return
    first, rest = patterns[0], patterns[1:]
    found: dict[tuple[bytes, ...], TreeEntry] = {}
    if first == "**" and rest:
        found |= dict(_matching(trees, entry, path, rest))
    for each in trees.entries(entry.raw):
        below = (*path, each.name)
        if first == "**":
            found |= dict(_matching(trees, each, below, patterns))
        elif fnmatch.fnmatchcase(each.name.decode("utf-8", "surrogateescape"), first):
            found |= dict(_matching(trees, each, below, rest))
    yield from sorted(found.items())


def _rooted(store: ObjectStore, path: Sequence[bytes], entry: TreeEntry) -> Digest:
    """The tree in which a file or folder alone lies at its own path."""
    if not path:
        return entry.digest
    made = TreeEntry(path[-1], entry.kind, entry.raw, entry.size, entry.files)
    for name in reversed(path[:-1]):
        below: Summary = put_directory([made], store.put)
        made = TreeEntry(name, FOLDER, below.raw, below.size, below.files)
    return from_raw(put_directory([made], store.put).raw)
