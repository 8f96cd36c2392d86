"""What a deployment's rows are compared with: the rows that the champion was judged on, cut into bins. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from mulle.stats import sequential
from mulle.stats.binning import Bins, count, fit, matrix, real_bins

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mulle.monitoring.declare import Drift, Outliers

SCORE = "__score"
_MICROSECOND = timedelta(microseconds=1)
Counts = npt.NDArray[np.int64]


class Reference(msgspec.Struct, frozen=True):
    """How columns are cut, the test over the bins, and the length of a slot of time (the shortest window)."""

    bins: list[Bins]
    test: sequential.Test
    slot: timedelta
    rows: int


def build(
    rows: pl.DataFrame,
    at: pl.Series | None,
    features: Sequence[str],
    rule: Drift | Outliers,
) -> Reference:
    """The reference of a rule from reference rows.

    Args:
        rows: the reference rows.
        at: the instant of each row, from which the steadiness over time is learned; None: rows count as independent.
        features: the columns to watch.
        rule: windows, floor, minimum of rows and the false-alarm rate.
    """
    cut = [fit(rows.get_column(name)) for name in features]
    codes = matrix(cut, rows)
    slot = min(rule.windows)
    numbers = slots_of(at, slot) if at is not None else np.zeros(rows.height, dtype=np.int64)
    distinct, groups = np.unique(numbers, return_inverse=True)
    slots = count(codes, groups.astype(np.int64), len(distinct), _width(cut))
    shares = sequential.smoothed_shares(slots.sum(axis=0), real_bins(cut))
    blocks = [_blocks(distinct, slots, max(round(window / slot), 1)) for window in rule.windows]
    expected = sequential.steadiness(blocks, shares, float(max(rows.height, 1)), rule.floor)
    names = [one.name for one in cut]
    test = sequential.Test(names, shares.tolist(), rule.windows, expected, rule.min_rows, rule.alarms_per_week)
    return Reference(cut, test, slot, rows.height)


def _blocks(numbers: Counts, slots: Counts, length: int) -> Counts:
    """Slots (ascending by number) added up to windows of `length` slots."""
    if not len(numbers):
        return slots
    window = numbers // length
    starts = np.flatnonzero(np.concatenate(([True], window[1:] != window[:-1])))
    return np.asarray(np.add.reduceat(slots, starts, axis=0))


def _width(bins: Sequence[Bins]) -> int:
    return max((one.size for one in bins), default=0)


def together(a: Reference, b: Reference) -> Reference:
    """One reference for the features of both, which are cut by rows of their own and share the rule."""
    bins = [*a.bins, *b.bins]
    width = _width(bins)
    one, two = a.test, b.test
    expected = sequential.Steadiness(
        [[*x, *y] for x, y in zip(one.expected.concentration, two.expected.concentration, strict=True)],
        [[*x, *y] for x, y in zip(one.expected.floors, two.expected.floors, strict=True)],
    )
    shares = [row + [0.0] * (width - len(row)) for row in (*one.shares, *two.shares)]
    test = msgspec.structs.replace(one, features=[*one.features, *two.features], shares=shares, expected=expected)
    return Reference(bins, test, a.slot, min(a.rows, b.rows))


def slots_of(at: pl.Series, slot: timedelta) -> Counts:
    """The number, since the epoch, of the slot that each instant falls into."""
    micros = at.to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.asarray(micros // (slot // _MICROSECOND), dtype=np.int64)


def observe(reference: Reference, rows: pl.DataFrame, at: pl.Series) -> tuple[Counts, Counts]:
    """The slots that a batch covers and the counts in each: what `sequential.feed` takes."""
    numbers = slots_of(at, reference.slot)
    distinct, groups = np.unique(numbers, return_inverse=True)
    codes = matrix(reference.bins, rows)
    return distinct, count(codes, groups.astype(np.int64), len(distinct), _width(reference.bins))
