"""How sure a difference is: the paired bootstrap, fast enough to sit in a gate."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from mulle.stats.evaluation import Array, Metric, metric

Counts = npt.NDArray[np.float64]


class Interval(msgspec.Struct, frozen=True):
    """By how much b is better than a (positive is better, whatever the metric), with a two-sided interval."""

    gain: float
    low: float
    high: float
    confidence: float
    rows: int
    samples: int


def paired_bootstrap(
    y: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    name: str = "roc_auc",
    *,
    n: int = 400,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Resample the rows `n` times, both models on the same rows each time; the gain of `b` over `a`.

    The interval is the central `confidence` of the resampled gains. A metric that needs two classes and sees one gives
    NaN throughout.
    """
    chosen = metric(name)
    truth, one, two = (np.asarray(values, dtype=np.float64).reshape(-1) for values in (y, a, b))
    gain = chosen.gain(chosen.function(truth, two), chosen.function(truth, one))
    rows = len(truth)
    if rows == 0 or math.isnan(gain):
        return Interval(math.nan, math.nan, math.nan, confidence, rows, 0)
    counts = _resamples(rows, n, seed)
    gains = resampled(chosen, truth, two, counts) - resampled(chosen, truth, one, counts)
    if not chosen.higher_is_better:
        gains = -gains
    low, high = np.nanquantile(gains, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(gain, float(low), float(high), confidence, rows, n)


def _resamples(rows: int, n: int, seed: int) -> Counts:
    """How often each row is drawn in each resample: an (n, rows) matrix."""
    rng = np.random.default_rng(seed)
    counts = np.empty((n, rows), dtype=np.float64)
    for i in range(n):
        counts[i] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
    return counts


def resampled(chosen: Metric, truth: Array, scores: Array, counts: Counts) -> Array:
    """The metric on each resample, without sorting again: rows keep their order, only their counts change."""
    if chosen.name == "roc_auc":
        return _weighted_auc(truth, scores, counts)
    if chosen.row is not None:
        means = counts @ chosen.row(truth, scores) / counts.sum(axis=1)
        return np.asarray(np.sqrt(means) if chosen.name == "rmse" else means)
    repeated = [np.repeat(np.arange(len(truth)), one.astype(np.int64)) for one in counts]
    return np.array([chosen.function(truth[rows], scores[rows]) for rows in repeated])


def _weighted_auc(truth: Array, scores: Array, counts: Counts) -> Array:
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    positive = (truth[order] > 0).astype(np.float64)
    found = np.empty(len(counts))
    for i, row in enumerate(counts):
        weights = row[order]
        above = np.add.reduceat(weights * positive, starts)
        below = np.add.reduceat(weights * (1 - positive), starts)
        positives, negatives = above.sum(), below.sum()
        if positives == 0 or negatives == 0:
            found[i] = math.nan
            continue
        found[i] = (above * (np.cumsum(below) - below / 2)).sum() / (positives * negatives)
    return found
