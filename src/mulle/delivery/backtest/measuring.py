"""How policies fared: the logged answers met with the truth, week by week. Pure but for reading the logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.delivery.backtest.questions import Questions
from mulle.predictions import Predictions
from mulle.predictions.frames import SHADOW
from mulle.stats.evaluation import metric

Array = npt.NDArray[np.float64]
WEEK = timedelta(days=7)
_FEWEST = 50


def scores_of(predictions: Predictions, deployment: str, questions: Questions) -> Array:
    """The score that callers were given for each question, NaN where there was no answer."""
    log = predictions.log.scan(deployment, columns=["id", "role", "score"]).filter(pl.col("role") != SHADOW)
    asked = pl.DataFrame({"id": questions.ids})
    met = asked.join(log.select("id", "score"), on="id", how="left", maintain_order="left")
    return np.asarray(met.get_column("score").cast(pl.Float64).fill_null(math.nan).to_numpy(), dtype=np.float64)


class Weeks:
    """The labelled questions that every policy answered, by week of their event."""

    def __init__(self, questions: Questions, start: datetime, scores: Mapping[str, Array]) -> None:
        known = questions.truth.is_not_null().to_numpy().copy()
        for one in scores.values():
            known &= np.isfinite(one)
        self._known = known
        self.labelled = int(known.sum())
        truth = questions.truth.cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy()
        self._truth = np.asarray(truth, dtype=np.float64)
        place = (questions.event_time - start).dt.total_microseconds().to_numpy() // (WEEK // timedelta(microseconds=1))
        self._place = np.asarray(place, dtype=np.int64)
        self.count = int(self._place[known].max()) + 1 if self.labelled else 0
        self.starts = [start + WEEK * number for number in range(self.count)]

    def measure(self, scores: Array, name: str) -> list[float | None]:
        """The metric of each week; None for one with few labels or one class."""
        chosen = metric(name)
        found: list[float | None] = []
        for number in range(self.count):
            member = self._known & (self._place == number)
            rows = int(member.sum())
            value = chosen.function(self._truth[member], scores[member]) if rows >= _FEWEST else math.nan
            found.append(None if math.isnan(value) else round(float(value), 6))
        return found


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the weeks that could be measured."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None


def regret(values: Sequence[float | None], best: Sequence[float | None], name: str) -> float | None:
    """The mean over weeks of how much worse than the oracle a policy was."""
    pairs = [(a, b) for a, b in zip(values, best, strict=True) if a is not None and b is not None]
    lost = [metric(name).gain(b, a) for a, b in pairs]
    return round(sum(lost) / len(lost), 6) if lost else None
