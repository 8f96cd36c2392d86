"""How uncertain a metric is, without resampling: cheap enough to be asked on every look."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mulle.stats.evaluation import Array, average_ranks, metric


def standard_error(y: npt.ArrayLike, scores: npt.ArrayLike, name: str) -> float:
    """The standard error of a metric over independent rows; NaN where it cannot be told.

    ROC AUC by the placement values of DeLong, DeLong and Clarke-Pearson; means by their variance; RMSE by the delta
    method.
    """
    truth, values = (np.asarray(one, dtype=np.float64).reshape(-1) for one in (y, scores))
    if len(truth) < 2:  # noqa: PLR2004 - one row has no variance
        return math.nan
    if name == "roc_auc":
        return _auc_error(truth, values)
    chosen = metric(name)
    if chosen.row is None:
        return math.nan
    losses = chosen.row(truth, values)
    error = float(losses.std(ddof=1)) / math.sqrt(len(losses))
    if name == "rmse":
        return error / (2 * math.sqrt(float(losses.mean()))) if losses.any() else 0.0
    return error


def _auc_error(truth: Array, scores: Array) -> float:
    positive = truth > 0
    above, below = scores[positive], scores[~positive]
    if len(above) < 2 or len(below) < 2:  # noqa: PLR2004
        return math.nan
    ranks = average_ranks(np.concatenate((above, below)))
    of_above = (ranks[: len(above)] - average_ranks(above)) / len(below)
    of_below = 1 - (ranks[len(above) :] - average_ranks(below)) / len(above)
    return math.sqrt(float(of_above.var(ddof=1)) / len(above) + float(of_below.var(ddof=1)) / len(below))


def block_error(
    y: npt.ArrayLike, scores: npt.ArrayLike, blocks: npt.ArrayLike, name: str, *, fewest: int = 50
) -> float:
    """The standard error of a metric when the rows of one block (a day) share their luck; never less than that of rows.

    The metric is taken in each block of at least `fewest` rows; their spread over the root of their number. With fewer
    than four such blocks there is nothing to learn from them.
    """
    truth, values = (np.asarray(one, dtype=np.float64).reshape(-1) for one in (y, scores))
    rows = standard_error(truth, values, name)
    chosen, place = metric(name), np.asarray(blocks)
    found = []
    for block in np.unique(place):
        member = place == block
        if int(member.sum()) >= fewest:
            value = chosen.function(truth[member], values[member])
            if not math.isnan(value):
                found.append(value)
    if len(found) < 4:  # noqa: PLR2004
        return rows
    spread = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    return max(rows, spread) if not math.isnan(rows) else spread
