"""The leak detector: does a feature's value depend on rows that it must not have seen?

A row with event time t may depend on source rows up to t. So computing the view without the rows from some instant on
must give all earlier rows the same values; where it does not, the view looks ahead. In the same way a declared
lookback is tried: without the rows before cut - lookback, all rows from the cut on must stay the same.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import polars as pl

from mulle.features.frames import compute
from mulle.features.model import Leak

if TYPE_CHECKING:
    from datetime import datetime

    from mulle.features.definition import FeatureView

TOLERANCE = 1e-6
"""Relative difference below which two sums of floats in another order count as equal."""


def find_leaks(view: FeatureView, source: pl.DataFrame, *, cuts: int = 8, seed: int = 0) -> list[Leak]:
    """The features of the view that change when rows are taken away; the first cut that shows it, for each.

    Args:
        view: its function is called 1 + cuts times, twice that with a lookback.
        source: rows of its source, in order.
        cuts: at how many instants to try, drawn from the rows' own event times and between them.
        seed: of that draw.
    """
    time = pl.col(view.event_time)
    whole = _latest(view, compute(view, source))
    found: dict[tuple[str, str], Leak] = {}
    for cut in _cuts(source[view.event_time], cuts, seed):
        before = _latest(view, compute(view, source.filter(time < cut))).filter(time < cut)
        for leak in _differences(view, "future", cut, whole.filter(time < cut), before):
            found.setdefault(("future", leak.column), leak)
        if view.lookback is None:
            continue
        after = _latest(view, compute(view, source.filter(time >= cut - view.lookback))).filter(time >= cut)
        for leak in _differences(view, "lookback", cut, whole.filter(time >= cut), after):
            found.setdefault(("lookback", leak.column), leak)
    return list(found.values())


def _cuts(times: pl.Series, cuts: int, seed: int) -> list[datetime]:
    """Instants among the event times, and as many half-way to the next one, where buckets of time are cut open."""
    distinct = times.drop_nulls().unique().sort()
    if len(distinct) < 2:  # noqa: PLR2004 - one instant has no before and after
        return []
    draw = random.Random(seed)  # noqa: S311
    places = draw.sample(range(1, len(distinct)), min(cuts, len(distinct) - 1))
    chosen: list[datetime] = []
    for number, place in enumerate(sorted(places)):
        at, previous = distinct[place], distinct[place - 1]
        chosen.append(at if number % 2 else previous + (at - previous) / 2)
    return chosen


def _latest(view: FeatureView, table: pl.DataFrame) -> pl.DataFrame:
    """What the join would see: the last row of each entity and event time."""
    keys = [*view.entity, view.event_time]
    return table.filter(pl.col(view.event_time).is_not_null()).unique(subset=keys, keep="last", maintain_order=True)


def _differences(view: FeatureView, kind: str, cut: datetime, whole: pl.DataFrame, other: pl.DataFrame) -> list[Leak]:
    keys = [*view.entity, view.event_time]
    features = [name for name in whole.columns if name not in keys]
    both = whole.with_columns(__a=True).join(
        other.with_columns(__b=True), on=keys, how="full", suffix="\0", coalesce=True, nulls_equal=True
    )
    leaks: list[Leak] = []
    for name in features:
        odd = both.filter(_differs(name, whole.schema[name]) | (pl.col("__a").is_null() != pl.col("__b").is_null()))
        if odd.height:
            row = odd.sort(view.event_time).row(0, named=True)
            leaks.append(
                Leak(
                    view=view.name,
                    kind=kind,
                    column=name,
                    cut=cut,
                    entity={column: row[column] for column in view.entity},
                    at=row[view.event_time],
                    whole=row[name],
                    truncated=row[f"{name}\0"],
                    rows=odd.height,
                )
            )
    return leaks


def _differs(name: str, dtype: pl.DataType) -> pl.Expr:
    a, b = pl.col(name), pl.col(f"{name}\0")
    if not dtype.is_float():
        return a.ne_missing(b)
    scale = pl.max_horizontal(a.abs(), b.abs(), pl.lit(1.0))
    near = ((a - b).abs() <= TOLERANCE * scale) | (a.is_nan() & b.is_nan()) | (a == b)
    return ~near.fill_null(value=False) & ~(a.is_null() & b.is_null())
