"""From a view's rows to the newest one of each entity, packed for the online store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mulle.data.reading import microseconds
from mulle.features.frames import INSTANT, Span, frame_for, span_for
from mulle.features.online import OnlineRow, OnlineView

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from mulle.features.definition import FeatureView
    from mulle.store import ObjectStore
    from mulle.types import Digest


def newest(
    store: ObjectStore, view: FeatureView, manifest: Digest, since: datetime | None, until: datetime, *, code: str = ""
) -> tuple[OnlineView, list[OnlineRow]]:
    """What the online store has to take in so that it stands at `until`, when it stood at `since`.

    Rows that became available in (since, until] are enough, and of those only what has not expired by `until`.
    """
    span = span_for(view, until, until)
    if since is not None and since - view.delay + INSTANT > span.since:
        begin = since - view.delay + INSTANT
        start = None if view.lookback is None else begin - view.lookback
        span = Span(start, begin, span.end)
    frame = frame_for(store, view, manifest, span)
    table = frame.table.filter(pl.col(view.event_time).is_not_null()).sort(view.event_time, maintain_order=True)
    table = table.drop_nulls(list(view.entity)).unique(subset=list(view.entity), keep="last", maintain_order=True)
    about = OnlineView(view.name, list(view.entity), frame.features, microseconds(until) or 0, code)
    return about, _packed(table, view, frame.features)


def _packed(table: pl.DataFrame, view: FeatureView, features: list[str]) -> list[OnlineRow]:
    width = len(view.entity)
    delay, ttl = _micros(view.delay), _micros(view.ttl)
    rows = table.select(*view.entity, pl.col(view.event_time).to_physical().alias("__event"), *features).iter_rows()
    return [
        OnlineRow(row[:width], row[width], row[width] + delay, row[width] + delay + ttl, list(row[width + 1 :]))
        for row in rows
    ]


def _micros(length: timedelta) -> int:
    return length // INSTANT
