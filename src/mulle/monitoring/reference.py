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
    bins: Sequence[Bins] | None = None,
) -> Reference:
    """The reference of a rule from reference rows.

    Args:
        rows: the reference rows.
        at: the instant of each row, from which the steadiness over time is learned; None: rows count as independent.
        features: the columns to watch.
        rule: windows, floor, minimum of rows and the false-alarm rate.
        bins: how to cut; found from the rows when None.
    """
    cut = list(bins) if bins is not None else [fit(rows.get_column(name)) for name in features]
    codes = matrix(cut, rows)
    width = max((one.size for one in cut), default=0)
    whole = count(codes, np.zeros(rows.height, dtype=np.int64), 1, width)[0]
    shares = sequential.smoothed_shares(whole, real_bins(cut))
    steadiness = [_steadiness(codes, at, window, shares, width) for window in rule.windows]
    test = sequential.Test(
        [one.name for one in cut],
        shares.tolist(),
        rule.windows,
        steadiness,
        rule.floor,
        rule.min_rows,
        rule.alarms_per_week,
    )
    return Reference(cut, test, min(rule.windows), rows.height)


def _steadiness(
    codes: Counts, at: pl.Series | None, window: timedelta, shares: npt.NDArray[np.float64], width: int
) -> list[float]:
    limit = float(max(len(codes), 1))
    if at is None:
        return [limit] * len(shares)
    numbers = slots_of(at, window)
    distinct, groups = np.unique(numbers, return_inverse=True)
    blocks = count(codes, groups.astype(np.int64), len(distinct), width)
    return [float(value) for value in sequential.concentrations(blocks, shares, limit)]


def slots_of(at: pl.Series, slot: timedelta) -> Counts:
    """The number, since the epoch, of the slot that each instant falls into."""
    micros = at.dt.epoch("us").to_numpy().astype(np.int64)
    return np.asarray(micros // (slot // _MICROSECOND), dtype=np.int64)


def observe(reference: Reference, rows: pl.DataFrame, at: pl.Series) -> tuple[Counts, Counts]:
    """The slots that a batch covers and the counts in each: what `sequential.feed` takes."""
    numbers = slots_of(at, reference.slot)
    distinct, groups = np.unique(numbers, return_inverse=True)
    width = max((one.size for one in reference.bins), default=0)
    codes = matrix(reference.bins, rows)
    return distinct, count(codes, groups.astype(np.int64), len(distinct), width)
