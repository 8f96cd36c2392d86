"""How good scores are, measured against the truth: metrics, calibration, slices, and the report that a gate reads."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = npt.NDArray[np.float64]
Task = Literal["binary", "multiclass", "regression"]

_SMALLEST = 1e-15
_CALIBRATION_BINS = 10
_SMALLEST_SLICE = 50


def roc_auc(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The chance that a positive is scored above a negative (ties count half); NaN when there is only one class."""
    truth, values = _pair(y, scores)
    positive = truth > 0
    positives = int(positive.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    rank_sum = float(average_ranks(values)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_ranks(values: Array) -> Array:
    """Ranks from 1; equal values share the mean of their ranks."""
    order = np.argsort(values)  # not stable, which is six times as fast: equal values get one rank anyway
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.concatenate((first, [len(values)])))
    ranks = np.empty(len(values), dtype=np.float64)
    ranks[order] = np.repeat(first + (counts + 1) / 2, counts)
    return ranks


def log_loss(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean negative log-likelihood of binary truth under probabilities."""
    return _mean(log_losses(*_pair(y, scores)))


def log_losses(truth: Array, scores: Array) -> Array:
    """The negative log-likelihood of each row; probabilities are kept 1e-15 away from 0 and 1."""
    kept = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-np.where(truth > 0, np.log(kept), np.log1p(-kept)))


def accuracy(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Share of rows whose probability is on the right side of one half."""
    return _mean(_hits(*_pair(y, scores)))


def brier(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean squared distance between probability and outcome."""
    return _mean(_squares(*_pair(y, scores)))


def rmse(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Root of the mean squared error."""
    return math.sqrt(_mean(_squares(*_pair(y, scores))))


def mae(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean absolute error."""
    return _mean(_distances(*_pair(y, scores)))


def r2(y: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Share of the variance that is explained; NaN when there is none."""
    truth, values = _pair(y, scores)
    spread = float(np.square(truth - truth.mean()).sum()) if len(truth) else 0.0
    return 1 - float(_squares(truth, values).sum()) / spread if spread > 0 else math.nan


def _hits(truth: Array, scores: Array) -> Array:
    right: Array = ((scores >= 0.5) == (truth > 0)).astype(np.float64)  # noqa: PLR2004
    return right


def _squares(truth: Array, scores: Array) -> Array:
    return np.square(truth - scores)


def _distances(truth: Array, scores: Array) -> Array:
    return np.abs(truth - scores)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _pair(y: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Array, Array]:
    truth = np.asarray(y, dtype=np.float64).reshape(-1)
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(truth) != len(values):
        raise UsageError(
            f"{len(truth)} labels but {len(values)} scores",
            cause="they are compared row by row",
            cure="score the same rows",
        )
    return truth, values


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to measure: the function, which way is better, and the loss of one row where the metric is their mean."""

    name: str
    function: Callable[[npt.ArrayLike, npt.ArrayLike], float]
    higher_is_better: bool
    task: Task
    row: Callable[[Array, Array], Array] | None = None

    def gain(self, value: float, over: float) -> float:
        """By how much `value` is better than `over`; negative when it is worse."""
        return value - over if self.higher_is_better else over - value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("roc_auc", roc_auc, True, "binary"),
        Metric("log_loss", log_loss, False, "binary", log_losses),
        Metric("accuracy", accuracy, True, "binary", _hits),
        Metric("brier", brier, False, "binary", _squares),
        Metric("rmse", rmse, False, "regression", _squares),
        Metric("mae", mae, False, "regression", _distances),
        Metric("r2", r2, True, "regression"),
    )
}
MAIN: dict[str, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
"""The metric that speaks for a task where none is named."""


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS, cure="use one of the metrics in mulle.stats.evaluation.METRICS")
    return METRICS[name]


class CalibrationBin(msgspec.Struct, frozen=True):
    """Of the rows scored about `predicted`, the share `observed` came true."""

    predicted: float
    observed: float
    rows: int


def calibration(y: npt.ArrayLike, scores: npt.ArrayLike, bins: int = _CALIBRATION_BINS) -> list[CalibrationBin]:
    """Predicted against observed in equal-width bins of probability; empty bins are left out."""
    truth, values = _pair(y, scores)
    finite = np.isfinite(values)
    truth, values = truth[finite], values[finite]
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    predicted = np.bincount(place, weights=values, minlength=bins)
    observed = np.bincount(place, weights=truth, minlength=bins)
    return [
        CalibrationBin(float(predicted[i] / rows[i]), float(observed[i] / rows[i]), int(rows[i]))
        for i in range(bins)
        if rows[i]
    ]


class Report(msgspec.Struct, frozen=True):
    """What an evaluation found, with the rows it was found on, so that another model can be measured on the same rows.

    `rows` holds the columns the model was given and the label; `scores` the probability of the positive class (binary),
    the prediction (regression) or one column a class (multiclass), in the order of the rows.
    """

    metrics: dict[str, float]
    slices: dict[str, dict[str, dict[str, float]]]
    calibration: list[CalibrationBin]
    task: Task
    label: str
    classes: list[str] = []
    rows: Any = None
    scores: Any = None

    def summary(self) -> Report:
        """The report without its rows: what pages and verbs show."""
        return msgspec.structs.replace(self, rows=None, scores=None)

    def truth(self) -> Array:
        """The label column as numbers (for multiclass: the index of the class)."""
        column = self.rows.get_column(self.label)
        if self.task == "multiclass":
            places = {name: place for place, name in enumerate(self.classes)}
            return np.array([places.get(str(value), -1) for value in column.to_list()], dtype=np.float64)
        return np.asarray(column.cast(pl.Float64).to_numpy(), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The same report gives the same bytes."""
        frame = b""
        if self.rows is not None:
            buffer = io.BytesIO()
            self.rows.write_ipc(buffer, compression="lz4")
            frame = buffer.getvalue()
        scores = None if self.scores is None else np.ascontiguousarray(self.scores, dtype="<f8")
        body = msgspec.to_builtins(self.summary())
        body["rows"], body["scores"] = frame, b"" if scores is None else scores.tobytes()
        body["width"] = 0 if scores is None or scores.ndim == 1 else int(scores.shape[1])
        return msgspec.msgpack.encode(body, order="deterministic")

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """The inverse of `to_bytes`."""
        body = msgspec.msgpack.decode(data)
        frame, scores, width = body.pop("rows"), body.pop("scores"), body.pop("width")
        bare = msgspec.convert(body, cls)
        values = np.frombuffer(scores, dtype="<f8").astype(np.float64)
        return msgspec.structs.replace(
            bare,
            rows=pl.read_ipc(io.BytesIO(frame), use_pyarrow=False) if frame else None,
            scores=(values.reshape(-1, width) if width else values) if frame else None,
        )


def evaluate(
    rows: pl.DataFrame,
    scores: npt.ArrayLike,
    *,
    label: str,
    task: Task | None = None,
    slices: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Report:
    """Measure scores against the label column of the rows they were given for; rows without a label are left out.

    Raises:
        UsageError: there is no label column, a slice column is missing, or no row has a label.
    """
    for column in (label, *slices):
        if column not in rows.columns:
            raise UsageError(
                f"the evaluated rows have no column '{column}'",
                cause=f"they have: {', '.join(rows.columns[:12])}",
                cure="keep the column in the rows that you pass to mulle.evaluate",
            )
    values = np.asarray(scores, dtype=np.float64)
    known = rows.get_column(label).is_not_null().to_numpy()
    if not known.any():
        raise UsageError(
            "no evaluated row has a label", cause=f"'{label}' is null in every row", cure="widen the holdout"
        )
    if not known.all():
        rows, values = rows.filter(pl.Series(known)), values[known]
    found = task or infer_task(rows.get_column(label), values)
    report = Report({}, {}, [], found, label, list(classes), rows, values)
    truth = report.truth()
    return msgspec.structs.replace(
        report,
        metrics=measure(truth, values, found),
        slices={column: _slice(rows.get_column(column), truth, values, found) for column in slices},
        calibration=calibration(truth, values) if found == "binary" else [],
    )


def infer_task(label: pl.Series, scores: Array) -> Task:
    """Binary when scores are probabilities of a two-valued label, multiclass when there is a column a class."""
    if scores.ndim > 1:
        return "multiclass"
    numeric = label.dtype.is_numeric()
    two_valued = label.dtype == pl.Boolean or (numeric and set(label.unique().to_list()) <= {0, 1})
    if two_valued and len(scores) and float(np.nanmin(scores)) >= 0 and float(np.nanmax(scores)) <= 1:
        return "binary"
    return "regression"


def measure(truth: Array, scores: Array, task: Task) -> dict[str, float]:
    """Every metric of the task, with the number of rows; one that cannot be computed is left out.

    Scores that are not numbers are counted, and nothing is measured on them.
    """
    found: dict[str, float] = {"rows": float(len(truth))}
    broken = int((~np.isfinite(scores)).sum())
    if broken:
        return found | {"not_finite": float(broken)}
    if task == "multiclass":
        return found | _multiclass(truth, scores)
    if task == "binary":
        found["share"] = _mean(truth)
    for one in METRICS.values():
        if one.task == task:
            value = one.function(truth, scores)
            if not math.isnan(value):
                found[one.name] = value
    return found


def _multiclass(truth: Array, scores: Array) -> dict[str, float]:
    place = truth.astype(np.int64)
    kept = np.clip(scores[np.arange(len(place)), np.maximum(place, 0)], _SMALLEST, 1)
    return {"accuracy": _mean((scores.argmax(axis=1) == place).astype(np.float64)), "log_loss": _mean(-np.log(kept))}


def _slice(column: pl.Series, truth: Array, scores: Array, task: Task) -> dict[str, dict[str, float]]:
    names = column.cast(pl.String).fill_null("null")
    found = {}
    for name in sorted(names.unique().to_list()):
        member = (names == name).to_numpy()
        if int(member.sum()) >= _SMALLEST_SLICE:
            found[name] = measure(truth[member], scores[member], task)
    return found
