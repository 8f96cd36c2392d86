"""Reading a version where there is no catalog: an object store and the digest of a manifest are enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from mulle.data import parts
from mulle.data.manifest import Manifest, load_table
from mulle.data.manifest import parts as listed
from mulle.errors import DataError
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.data.manifest import Entry
    from mulle.store import ObjectStore
    from mulle.types import Digest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def at_microseconds(value: int | None) -> datetime | None:
    """The instant that many microseconds after 1970 began."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def parts_between(
    store: ObjectStore, manifest_digest: Digest, start: datetime | None = None, end: datetime | None = None
) -> list[Entry]:
    """The parts in which a row with an event time in [start, end) may lie, in row order; all of them without bounds."""
    return _between(store, load_table(store, manifest_digest), microseconds(start), microseconds(end))


def _between(store: ObjectStore, manifest: Manifest, low: int | None, high: int | None) -> list[Entry]:
    return list(listed(store, manifest, lambda entry: entry.meets(low, high)))


@leasing(lambda store, *_, **__: store)
def read_version(
    store: ObjectStore,
    manifest_digest: Digest,
    columns: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """The rows of a version in order, those with an event time in [start, end) where a bound is given.

    Parts outside the bounds are not read; decoded parts are kept for the next reader in this process. The rows must
    not be changed in place.

    Raises:
        DataError: there is no such column, or bounds were given and the version has no event time.
        StoreError: an object is missing or damaged.
    """
    manifest = load_table(store, manifest_digest)
    _require(manifest, columns, bounded=start is not None or end is not None)
    low, high = microseconds(start), microseconds(end)
    found = _between(store, manifest, low, high)
    if not found:
        return _first(store, manifest, columns).clear()
    needed = columns
    if columns is not None and manifest.event_time is not None and manifest.event_time not in columns:
        needed = [*columns, manifest.event_time]
    frames = [_cut(parts.read(store, entry, needed), entry, manifest.event_time, low, high) for entry in found]
    table = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)
    return table if columns is None else table[list(columns)]


def _first(store: ObjectStore, manifest: Manifest, columns: Sequence[str] | None) -> pl.DataFrame:
    """Some part, for its columns' types: a version always has one, be it without rows."""
    return parts.read(store, next(listed(store, manifest)), columns)


def _cut(table: pl.DataFrame, entry: Entry, event_time: str | None, low: int | None, high: int | None) -> pl.DataFrame:
    """The rows of a part within the bounds; a part wholly inside is given as it is."""
    if event_time is None or (low is None and high is None):
        return table
    whole = entry.low is not None and (low is None or entry.low >= low) and (high is None or (entry.high or 0) < high)
    if whole and not table[event_time].null_count():
        return table
    time = pl.col(event_time).to_physical()
    kept = pl.lit(value=True)
    if low is not None:
        kept = kept & (time >= low)
    if high is not None:
        kept = kept & (time < high)
    return table.filter(kept)


def _require(manifest: Manifest, columns: Sequence[str] | None, *, bounded: bool) -> None:
    names = [name for name, _ in manifest.schema]
    missing = [name for name in columns or () if name not in names]
    if missing:
        raise DataError(
            f"there is no column '{missing[0]}'", cause=f"the columns are {', '.join(names)}", cure="name one of these"
        )
    if bounded and manifest.event_time is None:
        raise DataError(
            "a span of time was asked of a dataset without event time",
            cause="its rows are not placed in time",
            cure='name the column when it is defined: mulle.dataset(…, event_time="at")',
        )


def require_columns(manifest: Manifest, columns: Sequence[str]) -> None:
    """Refuse a column that the table does not have.

    Raises:
        DataError: names those that it has.
    """
    _require(manifest, columns, bounded=False)


def page(
    store: ObjectStore, manifest: Manifest, offset: int, limit: int, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """The rows [offset, offset + limit), all columns or some, reading only the parts they lie in."""
    frames: list[pl.DataFrame] = []
    before = 0
    for entry in listed(store, manifest):
        low, high = max(offset - before, 0), min(offset + limit - before, entry.rows)
        if low < high:
            frames.append(parts.read(store, entry, columns).slice(low, high - low))
        before += entry.rows
        if before >= offset + limit:
            break
    return pl.concat(frames) if frames else _first(store, manifest, columns).clear()


def tail(store: ObjectStore, manifest: Manifest, rows: int) -> pl.DataFrame | None:
    """The last `rows` rows of a version; None when that is none."""
    if rows == 0:
        return None
    found: list[pl.DataFrame] = []
    for entry in reversed(list(_newest(store, manifest, rows))):
        found.append(parts.read(store, entry))
        if sum(frame.height for frame in found) >= rows:
            break
    return pl.concat(found[::-1]).tail(rows)


def _newest(store: ObjectStore, manifest: Manifest, rows: int) -> list[Entry]:
    """Parts at the end that hold at least `rows` rows: those of the newest list, or all."""
    newest = manifest.levels[0]
    return newest if sum(entry.rows for entry in newest) >= rows else list(listed(store, manifest))
