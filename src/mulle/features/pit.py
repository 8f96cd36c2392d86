"""The point-in-time join: each row gets the features that were available when it was asked, and no later ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from mulle.errors import FeatureError

_AVAILABLE = "__available"
_ORDER = "__row"


@dataclass(frozen=True)
class ViewFrame:
    """A view's computed rows: the entity columns, the event time and the features, in the order of their arrival.

    `arrived` is the column with the instants at which they came in, where the rows have it; null means in time.
    """

    name: str
    table: pl.DataFrame
    entity: tuple[str, ...]
    event_time: str
    delay: timedelta
    ttl: timedelta
    arrived: str | None = None

    @property
    def features(self) -> list[str]:
        """The columns that the join adds."""
        others = {*self.entity, self.event_time, self.arrived}
        return [name for name in self.table.columns if name not in others]


def point_in_time(spine: pl.DataFrame, frames: Sequence[ViewFrame], asked: str) -> pl.DataFrame:
    """The spine's rows, all of them and in their order, with the features of every frame.

    A row gets the values of the frame's row with its entity and the latest event time whose availability (event time +
    delay, or its arrival where that was later) is not after `asked`; of several with that event time, the one that
    arrived last. Where that is more than `ttl` before `asked`, or there is none, or entity or `asked` is null, the
    features are null.

    Raises:
        FeatureError: an entity column is missing or of another type, or two columns would share a name.
    """
    _check(spine, frames, asked)
    if not frames:
        return spine
    ordered = spine.select({name for frame in frames for name in frame.entity} | {asked})
    in_order = ordered[asked].null_count() == 0 and ordered[asked].is_sorted()
    if not in_order:
        ordered = ordered.with_row_index(_ORDER).sort(asked, nulls_last=True, maintain_order=True)
    known = ordered if in_order else ordered.head(ordered.height - ordered[asked].null_count())
    found = [_matched(known, frame, asked) for frame in frames]
    if in_order:
        return pl.concat([spine, *found], how="horizontal")
    joined = pl.concat([known.select(_ORDER), *found], how="horizontal")
    if known.height < spine.height:
        joined = pl.concat([joined, ordered.tail(spine.height - known.height).select(_ORDER)], how="diagonal")
    return pl.concat([spine, joined.sort(_ORDER).drop(_ORDER)], how="horizontal")


def _matched(spine: pl.DataFrame, frame: ViewFrame, asked: str) -> pl.DataFrame:
    """The features of one frame for each row of a spine that is sorted by `asked`."""
    joined = spine.select(*frame.entity, asked).join_asof(
        _available(frame, spine.schema[asked]),
        left_on=asked,
        right_on=_AVAILABLE,
        by=list(frame.entity),
        strategy="backward",
        tolerance=frame.ttl,
        check_sortedness=False,
    )
    return joined.select(frame.features)


def _available(frame: ViewFrame, instant: pl.DataType) -> pl.DataFrame:
    """The frame's rows by availability, the last to arrive last among equals."""
    available = (pl.col(frame.event_time) + frame.delay).cast(instant)
    if frame.arrived is not None:
        return _arrived(frame, available, instant)
    table = frame.table.select(*frame.entity, available.alias(_AVAILABLE), *frame.features)
    if table[_AVAILABLE].null_count():
        table = table.filter(pl.col(_AVAILABLE).is_not_null())
    return table if table[_AVAILABLE].is_sorted() else table.sort(_AVAILABLE, maintain_order=True)


def _arrived(frame: ViewFrame, in_time: pl.Expr, instant: pl.DataType) -> pl.DataFrame:
    """The same where rows may have come late: one that was overtaken by a newer event before it came is never used."""
    available = pl.max_horizontal(in_time, pl.col(str(frame.arrived)).cast(instant)).alias(_AVAILABLE)
    table = frame.table.filter(pl.col(frame.event_time).is_not_null()).sort(available, maintain_order=True)
    newest = pl.col(frame.event_time).cum_max().over(list(frame.entity))
    table = table.filter(pl.col(frame.event_time) >= newest)
    return table.select(*frame.entity, available, *frame.features)


def reasons(spine: pl.DataFrame, frames: Sequence[ViewFrame], asked: str) -> pl.DataFrame:
    """Why features are null: a text column per frame, null where a row was found.

    "no entity" (the row's entity is null), "unknown" (the frame has no row of that entity), "not yet" (it has, but
    none was available when asked), "expired" (the newest available one is older than the ttl).
    """
    _check(spine, frames, asked)
    columns = [_reason(spine.select(*frame.entity, asked), frame, asked) for frame in frames]
    return pl.DataFrame(columns)


def _reason(spine: pl.DataFrame, frame: ViewFrame, asked: str) -> pl.Series:
    seen = frame.table.select(*frame.entity, pl.lit(value=True).alias("__seen")).unique(subset=list(frame.entity))
    kept = [*frame.entity, frame.event_time, *([frame.arrived] if frame.arrived is not None else [])]
    since = pl.col(frame.event_time)
    if frame.arrived is not None:
        since = pl.max_horizontal(since, pl.col(frame.arrived) - frame.delay)
    stamped = replace(
        frame,
        table=frame.table.select(*kept, since.alias("__found")),
        ttl=timedelta(days=36500),
    )
    found = point_in_time(spine, [stamped], asked).join(seen, on=list(frame.entity), how="left", maintain_order="left")
    late = pl.col(asked) - (pl.col("__found") + frame.delay) > frame.ttl
    reason = (
        pl.when(pl.any_horizontal(pl.col(name).is_null() for name in frame.entity))
        .then(pl.lit("no entity"))
        .when(pl.col("__seen").is_null())
        .then(pl.lit("unknown"))
        .when(pl.col("__found").is_null())
        .then(pl.lit("not yet"))
        .when(late)
        .then(pl.lit("expired"))
    )
    return found.select(reason.alias(frame.name))[frame.name]


def _check(spine: pl.DataFrame, frames: Sequence[ViewFrame], asked: str) -> None:
    if asked not in spine.columns:
        raise FeatureError(
            f"the rows have no column '{asked}'",
            cause="it says when each row is asked about",
            cure="add it, or name the column that does",
        )
    taken = dict.fromkeys(spine.columns, "the rows")
    for frame in frames:
        for name in frame.entity:
            _check_entity(spine, frame, name)
        for name in frame.features:
            if name in taken:
                raise FeatureError(
                    f"feature view '{frame.name}' gives a column '{name}', which {taken[name]} have too",
                    cause="the columns of a training set need different names",
                    cure=f"rename it in '{frame.name}'",
                )
            taken[name] = f"feature view '{frame.name}'"


def _check_entity(spine: pl.DataFrame, frame: ViewFrame, name: str) -> None:
    if name not in spine.columns:
        raise FeatureError(
            f"the rows have no entity column '{name}'",
            cause=f"feature view '{frame.name}' is joined by {', '.join(frame.entity)}",
            cure=f"add '{name}' to the rows, or change the view's entity",
        )
    ours, theirs = spine.schema[name], frame.table.schema[name]
    if ours != theirs:
        raise FeatureError(
            f"the entity column '{name}' is {ours} in the rows and {theirs} in feature view '{frame.name}'",
            cause="only equal types can be joined",
            cure=f"cast one of them, as pl.col('{name}').cast(…)",
        )
