"""How sure a difference is: the paired bootstrap, fast enough to sit in a gate."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mulle.stats.evaluation import Array, Metric, metric

Counts = npt.NDArray[np.float64]

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


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
    """Each positive row beats the negative rows below it and half of those that tie; rows count as often as drawn."""
    positive, negative = np.flatnonzero(truth > 0), np.flatnonzero(~(truth > 0))
    negative = negative[np.argsort(scores[negative], kind="stable")]
    ordered = scores[negative]
    below, upto = (np.searchsorted(ordered, scores[positive], side) for side in _SIDES)
    ties = bool((below != upto).any())
    drawn = np.zeros(len(negative) + 1)
    found = np.empty(len(counts))
    for i, row in enumerate(counts):
        above = row[positive]
        np.cumsum(row[negative], out=drawn[1:])
        positives, negatives = above.sum(), drawn[-1]
        if positives == 0 or negatives == 0:
            found[i] = math.nan
            continue
        beaten = (drawn[below] + drawn[upto]) / 2 if ties else drawn[below]
        found[i] = above @ beaten / (positives * negatives)
    return found
