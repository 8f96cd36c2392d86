"""Some columns of a table, pulled without the rest of it.

Small parts come whole. Of a large one the columns are fetched by range, written as a part of their own, which the store
verifies like any other, and noted with the version: readers of these columns take it for the part that stayed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import msgspec

from mulle.data import manifest, parts, reading
from mulle.data.manifest import Entry
from mulle.data.remotes import partial
from mulle.data.remotes.projection import Projected
from mulle.errors import DataError, StoreError

if TYPE_CHECKING:
    import polars as pl

    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.data.remotes.through import Through
    from mulle.store import ObjectStore
    from mulle.types import Digest


class Narrow(msgspec.Struct, frozen=True):
    """What is here of a version's large parts: columns, and the parts with them, by the whole ones' digests."""

    names: list[str] = []
    parts: dict[str, Entry] = {}


class Narrowed:
    """An `ObjectStore` in which narrow parts stand for whole ones (`mulle.data.parts.read` asks for `instead`)."""

    def __init__(self, store: ObjectStore, instead: dict[str, Entry]) -> None:
        self._store = store
        self.instead = instead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def bring(through: Through, digest: Digest, columns: Sequence[str], before: Narrow) -> Narrow:
    """Fetch some columns of a table's version, besides those that came before.

    Raises:
        DataError: it is no table, or has no such column.
        StoreError: an object is missing or damaged there.
    """
    through.bring([digest])
    held = manifest.load(through.local, digest)
    if isinstance(held, manifest.FilesManifest):
        raise DataError(
            "a tree of files has no columns", cause=f"{digest[:15]} is one", cure="name a path: mulle data pull --path"
        )
    reading.require_columns(held, columns)
    list(manifest.lists(through, held))
    wanted = {*columns, *before.names, held.event_time}  # without its event time a span of it could not be read
    names = [name for name, _ in held.schema if name in wanted]
    entries = [each for each in manifest.parts(through, held) if not through.local.has(each.digest)]
    small = [each for each in entries if each.bytes <= parts.LARGE]
    through.bring([each.digest for each in small])
    through.bring([piece for each in small for piece, _ in parts.pieces(through, each)])
    large = (each for each in entries if each.bytes > parts.LARGE)
    return Narrow(names, {each.digest: _narrowed(through, each, names, before) for each in large})


def _narrowed(through: Through, entry: Entry, names: Sequence[str], before: Narrow) -> Entry:
    import polars as pl  # noqa: PLC0415 - start-up time: most pulls are whole

    here = before.parts.get(entry.digest)
    absent = [name for name in names if here is None or name not in before.names]
    frames = [] if here is None else [parts.read(through.local, here)]
    if absent:
        received = through.remote.received
        frames.append(parts.read(cast("ObjectStore", Projected(through.local, through.remote, absent)), entry, absent))
        through.ranged += through.remote.received - received
    made = parts.write(through.local, pl.concat(frames, how="horizontal")[list(names)], None, ())
    return msgspec.structs.replace(entry, digest=made.digest, bytes=made.bytes)


@contextmanager
def reachable(
    catalog: Catalog, store: ObjectStore, version: Version, columns: Sequence[str] | None, where: pl.Expr | None = None
) -> Iterator[ObjectStore]:
    """The store to read columns of a version from; what is missing of a version that is here in part is told as such.

    Raises:
        DataError: only other columns of the version are here.
    """
    with catalog.read() as tx:
        told, remote = partial.columns(tx, version.dataset, version.number)
    narrow = None if told is None else msgspec.convert(told, Narrow)
    if narrow is not None and narrow.parts:
        _require(narrow, version, remote, parts.needed_by(columns, where))
        store = cast("ObjectStore", Narrowed(store, narrow.parts))
    with partial.explained(catalog, version):
        yield store


def _require(narrow: Narrow, version: Version, remote: str, needed: Sequence[str] | None) -> None:
    absent = [name for name in needed or () if name not in narrow.names]
    if needed is None or absent:
        raise StoreError(
            f"of {version.ref} only the columns {', '.join(narrow.names)} are here",
            cause="all of them were asked for" if needed is None else f"'{absent[0]}' was asked for",
            cure=f"mulle data pull {version.dataset} {remote}" + (f" --columns {','.join(absent)}" if absent else ""),
        )
