"""A view's rows for a span of time, computed from no more of its source than it may see, once in a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.columns import table_from, with_event_time
from mulle.data.manifest import load_table
from mulle.data.reading import parts_between, read_version
from mulle.errors import FeatureError, MulleError
from mulle.features.pit import ViewFrame

if TYPE_CHECKING:
    from mulle.data.manifest import Entry
    from mulle.features.definition import FeatureView
    from mulle.store import ObjectStore
    from mulle.types import Digest

INSTANT = timedelta(microseconds=1)
KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class Span:
    """The event times [start, end) of a source that a view is given; `since` is the first of its output that counts."""

    start: datetime | None
    since: datetime
    end: datetime


def span_for(view: FeatureView, first: datetime, last: datetime) -> Span:
    """What of the source may matter to rows asked between `first` and `last`, both inclusive."""
    since = first - view.delay - view.ttl
    start = None if view.lookback is None else since - view.lookback
    return Span(start, since, last - view.delay + INSTANT)


def parts_for(store: ObjectStore, manifest: Digest, span: Span) -> list[Entry]:
    """The source's parts that computing the span may read."""
    return parts_between(store, manifest, span.start, span.end)


def frame_for(store: ObjectStore, view: FeatureView, manifest: Digest, span: Span) -> ViewFrame:
    """The view's rows with event times in [span.since, span.end).

    Raises:
        FeatureError: the function failed, or its output lacks an entity column, the event time or any feature.
    """
    parts = tuple(entry.digest for entry in parts_for(store, manifest, span))
    key = (view.function, view.entity, parts, span)
    held = _kept.get(key)
    if held is None:
        held = _computed(store, view, manifest, span)
        _kept.put(key, held)
    arrived = view.source.arrives if view.source.arrives in held.columns else None
    return ViewFrame(view.name, held, view.entity, view.event_time, view.delay, view.ttl, arrived)


def _computed(store: ObjectStore, view: FeatureView, manifest: Digest, span: Span) -> pl.DataFrame:
    withheld = set(view.withheld())
    columns = [name for name, _ in load_table(store, manifest).schema if name not in withheld]
    rows = read_version(store, manifest, columns if withheld else None, span.start, span.end)
    table = compute(view, rows)
    return table.filter(pl.col(view.event_time) >= span.since)


def compute(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """The function's output for rows of the source, without what is withheld from it; its columns are checked."""
    withheld = view.withheld()
    given = rows.drop(withheld, strict=False) if withheld else rows
    try:
        table = table_from(view.function(given))
    except MulleError:
        raise
    except Exception as error:
        raise _failure(view, withheld, error) from error
    missing = [name for name in (*view.entity, view.event_time) if name not in table.columns]
    if missing:
        raise FeatureError(
            f"feature view '{view.name}' gives no column '{missing[0]}'",
            cause="its rows need their entity and their event time",
            cure=f"return {', '.join((*view.entity, view.event_time))} and the features",
        )
    if not set(table.columns) - {*view.entity, view.event_time, view.source.arrives}:
        raise FeatureError(
            f"feature view '{view.name}' gives no features",
            cause=f"its only columns are {', '.join(table.columns)}",
            cure="return at least one more column",
        )
    return with_event_time(table, view.event_time, f"feature view '{view.name}'")


def _failure(view: FeatureView, withheld: list[str], error: Exception) -> FeatureError:
    touched = [name for name in withheld if name in str(error)]
    if touched:
        return FeatureError(
            f"feature view '{view.name}' uses '{touched[0]}' before it is known",
            cause=f"it is an outcome of '{view.source.name}', known {view.source.label_delay} after the event, "
            f"and the view is available after {view.delay}",
            cure="set available_after to the label delay or more, or leave the column out",
        )
    return FeatureError(
        f"feature view '{view.name}' failed: {type(error).__name__}: {error}",
        cause="its function raised",
        cure="mend it; call it with a small table to see",
    )


class _Kept:
    """The most recently used view outputs, bounded by their bytes. Safe from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tables: OrderedDict[Any, pl.DataFrame] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Any) -> pl.DataFrame | None:
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def put(self, key: Any, table: pl.DataFrame) -> None:
        size = int(table.estimated_size())
        if size > self._limit // 2:
            return
        with self._lock:
            if key in self._tables:
                return
            self._tables[key] = table
            self._bytes += size
            while self._bytes > self._limit:
                self._bytes -= int(self._tables.popitem(last=False)[1].estimated_size())


_kept = _Kept(KEPT_BYTES)
