"""How policies fared: the logged answers met with the truth, week by week. Pure but for reading the logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.delivery.backtest.questions import Questions
from mulle.predictions import Predictions
from mulle.predictions.files import OUTPUT
from mulle.predictions.frames import SHADOW
from mulle.stats.evaluation import metric

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[np.float64]
MEASURED = {"binary": ("roc_auc", "log_loss"), "multiclass": ("accuracy", "log_loss"), "regression": ("rmse", "mae")}
"""By task, the two metrics that policies are compared by; the first one is the main one."""

WEEK = timedelta(days=7)
_FEWEST = 50
_SMALLEST = 1e-15
_PREDICTION, _PROBABILITY = f"{OUTPUT}prediction", f"{OUTPUT}probability"


def scores_of(predictions: Predictions, deployment: str, questions: Questions) -> Array:
    """The score that callers were given for each question, NaN where there was no answer."""
    log = predictions.log.scan(deployment, columns=["id", "role", "score"]).filter(pl.col("role") != SHADOW)
    asked = pl.DataFrame({"id": questions.ids})
    met = asked.join(log.select("id", "score"), on="id", how="left", maintain_order="left")
    return np.asarray(met.get_column("score").cast(pl.Float64).fill_null(math.nan).to_numpy(), dtype=np.float64)


def hits_of(
    predictions: Predictions, deployment: str, questions: Questions, classes: Callable[[str], Sequence[object]]
) -> Array:
    """Of each question, whether the class that callers were given is the true one (1 or 0), and how probable that was.

    NaN where there was no answer or the truth is not known.

    Args:
        predictions: with the log.
        deployment: whose answers.
        questions: with their truth.
        classes: the classes of a model version, in the order of its probabilities.
    """
    columns = ["id", "role", "model", _PREDICTION, _PROBABILITY]
    log = predictions.log.scan_flat(deployment, columns=columns).filter(pl.col("role") != SHADOW)
    truth = questions.truth.cast(log.get_column(_PREDICTION).dtype, strict=False)  # 1.0 is the class 1
    asked = pl.DataFrame({"id": questions.ids, "truth": truth})
    met = asked.join(log, on="id", how="left", maintain_order="left").with_columns(pl.col("truth").cast(pl.String))
    found = np.full((met.height, 2), math.nan)
    for model in log.get_column("model").unique().to_list():
        member = (met.get_column("model") == model).fill_null(value=False) & met.get_column("truth").is_not_null()
        part = met.filter(member)
        places = {str(name): place for place, name in enumerate(classes(model))}
        place = part.get_column("truth").replace_strict(places, default=None, return_dtype=pl.Int64)
        given = part.select(_PROBABILITY, place=place)
        picked = pl.col(_PROBABILITY).list.get(pl.col("place"), null_on_oob=True)
        probability = given.select(picked.fill_null(0.0)).to_series()
        right = part.get_column(_PREDICTION).cast(pl.String) == part.get_column("truth")
        found[member.to_numpy()] = np.column_stack([right.cast(pl.Float64).to_numpy(), probability.to_numpy()])
    return found


class Weeks:
    """The labelled questions that every policy answered, by week of their event."""

    def __init__(self, questions: Questions, start: datetime, scores: Mapping[str, Array]) -> None:
        """Scores are those of `scores_of`, or of `hits_of` for several classes."""
        known = questions.truth.is_not_null().to_numpy().copy()
        for one in scores.values():
            known &= np.isfinite(one.reshape(len(one), -1)).all(axis=1)
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
        found: list[float | None] = []
        for number in range(self.count):
            member = self._known & (self._place == number)
            rows = int(member.sum())
            value = self._value(member, scores, name) if rows >= _FEWEST else math.nan
            found.append(None if math.isnan(value) else round(float(value), 6))
        return found

    def _value(self, member: npt.NDArray[np.bool_], scores: Array, name: str) -> float:
        if scores.ndim == 1:
            return metric(name).function(self._truth[member], scores[member])
        right, probability = scores[member].T
        return float(right.mean() if name == "accuracy" else -np.log(np.maximum(probability, _SMALLEST)).mean())


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the weeks that could be measured."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None


def regret(values: Sequence[float | None], best: Sequence[float | None], name: str) -> float | None:
    """The mean over weeks of how much worse than the oracle a policy was."""
    pairs = [(a, b) for a, b in zip(values, best, strict=True) if a is not None and b is not None]
    lost = [metric(name).gain(b, a) for a, b in pairs]
    return round(sum(lost) / len(lost), 6) if lost else None
