"""Reading a version where there is no catalog: an object store and the digest of a manifest are enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

from mulle.data import parts
from mulle.data.manifest import Manifest, load_table
from mulle.data.manifest import parts as listed
from mulle.errors import DataError, UsageError
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    *,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """The rows of a version in order, those with an event time in [start, end) where a bound is given.

    Parts outside the bounds are not read, of large parts only the columns and row groups that are asked for; decoded
    parts are kept for the next reader in this process. The rows must not be changed in place.

    Raises:
        DataError: there is no such column, or bounds were given and the version has no event time.
        StoreError: an object is missing or damaged.
    """
    return read_manifest(store, load_table(store, manifest_digest), columns, start, end, where=where)


def read_manifest(
    store: ObjectStore,
    manifest: Manifest,
    columns: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """`read_version` of a manifest that need not be in the store."""
    bounded = start is not None or end is not None
    _require(manifest, columns, bounded=bounded)
    if where is not None:
        return _where(store, manifest, columns, start, end, where=where)
    low, high = microseconds(start), microseconds(end)
    found = _between(store, manifest, low, high)
    if not found:
        return _first(store, manifest, columns).clear()
    needed = columns
    if columns is not None and bounded and manifest.event_time is not None and manifest.event_time not in columns:
        needed = [*columns, manifest.event_time]
    frames = [_cut(parts.read(store, entry, needed), entry, manifest.event_time, low, high) for entry in found]
    table = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)
    return table if columns is None else table[list(columns)]


def _where(
    store: ObjectStore,
    manifest: Manifest,
    columns: Sequence[str] | None,
    start: datetime | None,
    end: datetime | None,
    *,
    where: pl.Expr,
) -> pl.DataFrame:
    """The rows for which a condition holds; one that needs all rows to be told, as a mean, is told from all of them."""
    _require(manifest, where.meta.root_names(), bounded=False)
    try:
        if not _row_by_row(where):
            table = read_manifest(store, manifest, None, start, end).lazy().filter(where).collect()
            return table if columns is None else table[list(columns)]
        low, high = microseconds(start), microseconds(end)
        if low is not None or high is not None:
            where = where & _within(str(manifest.event_time), low, high)
        frames = [parts.read(store, entry, columns, where) for entry in _between(store, manifest, low, high)]
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "the rows cannot be filtered so",
            cause=str(error).partition("\n")[0],
            cure="compare with values of the column's type; an instant is written DATE '2013-01-31'",
        ) from error
    return pl.concat(frames, rechunk=False) if frames else _first(store, manifest, columns).clear()


def _row_by_row(where: pl.Expr) -> bool:
    """Whether a row's cells alone tell; Polars says it of the outermost operation only."""
    try:
        inner = where.meta.pop()
        return where.meta.is_row_separable() and ".is_in([col(" not in str(where) and all(map(_row_by_row, inner))
    except pl.exceptions.PolarsError:  # a function of the user's: nobody knows
        return False


def condition(text: str) -> pl.Expr:
    """The filter that an SQL expression means, as `delay > 15 AND carrier IN ('UA', 'AA')`.

    Raises:
        UsageError: it is none.
    """
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise UsageError(
            f"{text!r} is no condition on rows",
            cause=str(error).partition("\n")[0],
            cure="write an SQL expression, as \"delay > 15 AND carrier = 'UA'\"",
        ) from error


def scan(store: ObjectStore, manifest: Manifest) -> pl.LazyFrame:
    """A lazy query over the rows, in order: the columns and filters that it needs are pushed down to the parts."""

    def rows(
        columns: list[str] | None, where: pl.Expr | None, limit: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        left = manifest.rows if limit is None else limit
        for entry in listed(store, manifest):
            if left <= 0:
                return
            found = parts.read(store, entry, columns, where)
            yield found.head(left)
            left -= found.height

    return register_io_source(rows, schema=dict(_first(store, manifest, None).schema), is_pure=True)


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
    return table.filter(_within(event_time, low, high))


def _within(event_time: str, low: int | None, high: int | None) -> pl.Expr:
    time = pl.col(event_time).to_physical()
    kept = pl.lit(value=True)
    if low is not None:
        kept = kept & (time >= low)
    return kept if high is None else kept & (time < high)


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
