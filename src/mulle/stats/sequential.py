"""Has a stream changed? Dirichlet-mixture e-values over windows of several lengths, valid under continuous looking.

For one feature, cut into bins with reference shares p, the null says: the shares of a window are drawn from
Dirichlet(k p), where k, the *concentration*, is how steady windows of that length were among the reference rows
themselves (at most the number of reference rows, whose shares are only an estimate). The alternative is a mixture of
Dirichlets around p with smaller concentrations. The ratio of the two probabilities of a window's counts is an
e-value: under the null its expectation is 1 at every moment while the window fills, so by Ville's inequality the
chance that it *ever* exceeds 1/a is at most a.

A window that is still filling is as unsteady as the shorter ones, so it is judged by the least concentration up to
its length; once it is full, by its own. Windows of one length are disjoint; a week holds (week / length) of them for
each length and feature, and the threshold is Bonferroni over all of these and both looks. Together with an effect
floor (population stability index; higher for features that are unsteady by nature) and a minimum of rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

WEEK = timedelta(days=7)
_LADDER = 6
_STEP = 4.0
_SHIFT = 7
_HALF_LOG_TAU = 0.9189385332046727
_FEWEST_BLOCKS = 5
_LOOSEST = 1.0
_UNSTEADY = 0.1
_BEYOND = 1.25
_LOOKS = 2


def log_gamma(x: Array) -> Array:
    """The logarithm of the gamma function for positive x, to about twelve digits."""
    product = x.copy()
    for step in range(1, _SHIFT):
        product *= x + step
    y = x + _SHIFT
    z = 1.0 / (y * y)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680)))) / y
    found: Array = (y - 0.5) * np.log(y) - y + _HALF_LOG_TAU + series - np.log(product)
    return found


def smoothed_shares(counts: Counts, real: npt.NDArray[np.bool_]) -> Array:
    """Shares of the bins (last axis) with half a row added to each real bin; 0 for padding."""
    kept = np.where(real, counts + 0.5, 0.0)
    shares: Array = kept / kept.sum(axis=-1, keepdims=True)
    return shares


def log_e_values(counts: npt.NDArray[np.generic], shares: Array, concentration: Array) -> Array:
    """The log e-value of each feature's window.

    Args:
        counts: (..., features, bins) rows of the window; bins with no share (padding) hold none.
        shares: (features, bins) reference shares; 0 marks padding.
        concentration: (..., features) how steady windows of this length are under the null.
    """
    seen = np.asarray(counts, dtype=np.float64)
    rows = seen.sum(axis=-1)
    ladder = [np.maximum(concentration / _STEP**rung, _LOOSEST / (1 + rung)) for rung in range(1, _LADDER + 1)]
    null, *others = _log_probability(seen, rows, shares, np.stack([concentration, *ladder]))
    stacked = np.stack(others)
    top = stacked.max(axis=0)
    mixture: Array = top + np.log(np.exp(stacked - top).mean(axis=0)) - null
    return mixture


def _log_probability(counts: Array, rows: Array, shares: Array, concentration: Array) -> Array:
    """Of one sequence with these counts under Dirichlet-multinomial(concentration x shares).

    A bin without rows adds nothing, and most bins of a short window have none: they are left out.
    """
    held = np.nonzero((counts > 0) & (shares > 0))
    features: tuple[Any, ...] = (..., *held[:-1])
    prior = shares[held[-2:]] * concentration[features]
    terms = np.zeros((*concentration.shape, shares.shape[-1]))
    terms[(*features, held[-1])] = log_gamma(prior + counts[held]) - log_gamma(prior)
    found: Array = terms.sum(axis=-1) - log_gamma(concentration + rows) + log_gamma(concentration)
    return found


def stability_index(counts: npt.NDArray[np.generic], shares: Array) -> Array:
    """The population stability index of each feature: 0 for equal shares, about the square of a shift in sd."""
    real = shares > 0
    seen = np.asarray(counts, dtype=np.float64)
    now = (seen + np.where(real, shares, 0.0)) / (seen.sum(axis=-1, keepdims=True) + 1)
    ratio = np.where(real, now, 1.0) / np.where(real, shares, 1.0)
    found: Array = np.where(real, (now - shares) * np.log(ratio), 0.0).sum(axis=-1)
    return found


def concentrations(blocks: Counts, shares: Array, limit: float) -> Array:
    """How steady the reference is over blocks of one length, by the moments of Pearson's statistic.

    Args:
        blocks: (blocks, features, bins) counts of the reference rows in disjoint blocks of time.
        shares: (features, bins) shares over all blocks; 0 marks padding.
        limit: the number of reference rows, beyond which nothing is known.

    Returns:
        (features,) concentrations; `limit` for a feature that is as steady as independent rows are. With few blocks the
        estimate is lowered by two of its standard errors, so that a wobble is rather expected than reported; with fewer
        than five nothing can be told, which is infinity.
    """
    rows = blocks[:, 0, :].sum(axis=-1).astype(np.float64)
    usable = rows > 1
    if int(usable.sum()) < _FEWEST_BLOCKS:
        return np.full(len(shares), np.inf)
    real = shares > 0
    seen, rows = blocks[usable][:, real].astype(np.float64), rows[usable]  # bins only, features one after the other
    expected = rows[:, None] * shares[real]
    bins = real.sum(axis=-1)
    squares = np.add.reduceat(np.square(seen - expected) / expected, np.cumsum(bins) - bins, axis=1)
    freedom = np.maximum(bins - 1, 1)
    excess = squares.mean(axis=0) / freedom - 1
    spread = squares.std(axis=0) / freedom / np.sqrt(len(rows))
    sure = np.where(excess > 2 * spread, excess + 2 * spread, np.maximum(excess, 0))
    overdispersion = sure / max(float(rows.mean()) - 1, 1)
    found: Array = np.minimum(limit, 1 / np.maximum(overdispersion, 1 / limit))
    return found


class Steadiness(msgspec.Struct, frozen=True):
    """Of each window length and feature: the concentration, and the smallest effect that is worth an alarm."""

    concentration: list[list[float]]
    floors: list[list[float]]


def steadiness(blocks: Sequence[Counts], shares: Array, limit: float, floor: float) -> Steadiness:
    """Learn both from the reference rows, cut into blocks of each window length, ascending.

    A length with too few blocks is taken to be as unsteady as the next shorter one. A feature that is unsteady (its
    hours and days share their luck, as the weather of a day does) is worth an alarm only beyond what the reference
    itself did.
    """
    found: list[list[float]] = []
    floors: list[list[float]] = []
    known = np.full(len(shares), limit)
    for cut in blocks:
        here = concentrations(cut, shares, limit)
        known = np.where(np.isinf(here), known, here)
        own = np.full(len(shares), floor)
        unsteady = known < limit * _UNSTEADY
        if unsteady.any():
            own[unsteady] = np.maximum(floor, _BEYOND * _largest_effects(cut[:, unsteady], shares[unsteady]))
        found.append(known.tolist())
        floors.append(own.tolist())
    return Steadiness(found, floors)


def _largest_effects(blocks: Counts, shares: Array) -> Array:
    """Of each feature, over the blocks that are about full."""
    rows = blocks[:, 0, :].sum(axis=-1)
    full = rows >= np.median(rows) / 2 if len(rows) else rows > 0
    if not full.any():
        return np.zeros(len(shares))
    largest: Array = stability_index(blocks[full], shares).max(axis=0)
    return largest


def threshold(window: timedelta, windows: int, features: int, alarms_per_week: float) -> float:
    """The log e-value that windows of this length must exceed, of `windows` lengths looked at side by side."""
    starts = max(WEEK / window, 1.0)
    return float(np.log(_LOOKS * windows * starts * features / alarms_per_week))


class Finding(msgspec.Struct, frozen=True):
    """One feature moved in one window."""

    feature: str
    window: timedelta
    log_e: float
    threshold: float
    effect: float
    rows: int


class Test(msgspec.Struct, frozen=True):
    """The fixed part of a sequential test: what is expected, and when to speak. One row of arrays a feature."""

    __test__ = False

    features: list[str]
    shares: list[list[float]]
    windows: tuple[timedelta, ...]  # ascending
    expected: Steadiness
    min_rows: int
    alarms_per_week: float


class OpenWindow(msgspec.Struct, frozen=True):
    """A window that is filling: its number since the epoch and the counts so far (features x bins, flat)."""

    number: int = -1
    counts: bytes = b""


class Look(msgspec.Struct, frozen=True):
    """A window to judge: of which length, its counts (features x bins), and whether it is full or still fills."""

    scale: int
    counts: Counts
    rows: int
    closed: bool


def judge(test: Test, looks: Sequence[Look]) -> list[Finding]:
    """What windows say, in their order; nothing below the minimum of rows."""
    looks = [look for look in looks if look.rows >= test.min_rows]
    if not looks:
        return []
    counts, shares = np.stack([look.counts for look in looks]), np.asarray(test.shares)
    steady, floors = np.asarray(test.expected.concentration), np.asarray(test.expected.floors)
    least, most = np.minimum.accumulate(steady), np.maximum.accumulate(floors)
    steady = np.stack([steady[look.scale] if look.closed else least[look.scale] for look in looks])
    log_e = log_e_values(counts, shares, steady)
    limits = [threshold(window, len(test.windows), len(test.features), test.alarms_per_week) for window in test.windows]
    found = []
    for place in np.flatnonzero((log_e > np.array([limits[look.scale] for look in looks])[:, None]).any(axis=1)):
        look = looks[place]
        needed, floor = limits[look.scale], floors[look.scale] if look.closed else most[look.scale]
        effects = stability_index(look.counts, shares)
        found += [
            Finding(
                feature=test.features[i],
                window=test.windows[look.scale],
                log_e=round(float(log_e[place, i]), 6),
                threshold=needed,
                effect=round(float(effects[i]), 6),
                rows=look.rows,
            )
            for i in np.flatnonzero((log_e[place] > needed) & (effects > floor))
        ]
    return found


def feed(
    test: Test, state: Sequence[OpenWindow], slots: npt.NDArray[np.int64], counts: Counts, slot: timedelta
) -> tuple[list[OpenWindow], list[Finding]]:
    """Add a batch to the windows of every length and judge each window that it closes, and those it leaves open.

    Args:
        test: what is expected.
        state: one open window a length, or nothing at the beginning.
        slots: the numbers (since the epoch) of the slots that the batch covers, ascending.
        counts: (slots, features, bins) rows in each.
        slot: the length of a slot; it divides every window.

    Returns:
        The windows now open, and for each feature the finding with the greatest e-value.
    """
    opened = list(state) or [OpenWindow() for _ in test.windows]
    looks: list[Look] = []
    for scale, window in enumerate(test.windows):
        numbers, starts = np.unique(slots // max(round(window / slot), 1), return_index=True)
        added = np.add.reduceat(counts, starts, axis=0) if len(starts) else counts
        number, held = opened[scale].number, _held(opened[scale], counts.shape[1:])
        rows = int(held[:1].sum())
        for current, more, further in zip(numbers.tolist(), added, added[:, :1].sum(axis=(1, 2)).tolist(), strict=True):
            if current != number:
                looks.append(Look(scale, held, rows, closed=True))
                number, held, rows = current, more, further
            else:
                held, rows = held + more, rows + further
            looks.append(Look(scale, held, rows, closed=False))
        opened[scale] = OpenWindow(number, held.astype("<i8").tobytes())
    strongest: dict[str, Finding] = {}
    for finding in judge(test, looks):
        if finding.feature not in strongest or strongest[finding.feature].log_e < finding.log_e:
            strongest[finding.feature] = finding
    return opened, [strongest[name] for name in test.features if name in strongest]


def _held(window: OpenWindow, shape: tuple[int, ...]) -> Counts:
    if not window.counts:
        return np.zeros(shape, dtype=np.int64)
    return np.frombuffer(window.counts, dtype="<i8").astype(np.int64).reshape(shape)
