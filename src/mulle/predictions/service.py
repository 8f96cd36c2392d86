"""The verbs of the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import polars as pl
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from mulle.catalog import Catalog
from mulle.errors import UsageError, unknown
from mulle.predictions import labels as truth
from mulle.predictions.files import INPUT, OUTPUT
from mulle.predictions.log import PredictionLog
from mulle.predictions.model import (
    Compaction,
    Feedback,
    LabelledPrediction,
    LoggedAnswer,
    LogSummary,
    Prediction,
    QualityPoint,
)
from mulle.predictions.summary import realised, summarise
from mulle.predictions.tables import feedback
from mulle.registry import Inputs, Registry
from mulle.types import duration, instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.stats.evaluation import Task

Answers: TypeAlias = list[LoggedAnswer]
Labelled: TypeAlias = list[LabelledPrediction]
Qualities: TypeAlias = list[QualityPoint]

_GIVEN = select(feedback.c.prediction, feedback.c.label, feedback.c.at).where(
    feedback.c.deployment == bindparam("deployment"), feedback.c.at <= bindparam("now")
)


class Predictions:
    """Answers and their truth.

    Args:
        catalog: where feedback is recorded.
        log: the answers.
        registry: says where a model's labels come from.
        data: where labelled rows are read from.
        deployments: the names of the deployments there are; those that have answered where it is not given.
        known: labels that were read, shared between catalogs of one process; its own when None.
    """

    plane = "predictions"

    def __init__(
        self,
        catalog: Catalog,
        log: PredictionLog,
        registry: Registry,
        data: truth.Rows,
        deployments: Callable[[], Iterable[str]] | None = None,
        *,
        known: truth.KnownLabels | None = None,
    ) -> None:
        self.catalog = catalog
        self.log = log
        self.registry = registry
        self.data = data
        self._deployments = deployments or log.deployments
        self._labels = known or truth.KnownLabels()
        self._taught: dict[str, Inputs] = {}

    @verb("read")
    def list(self, deployment: str, limit: int = 20, revision: int | None = None) -> Answers:
        """The last answers of a deployment, the newest first, from the instant they were given."""
        self._known(deployment)
        table = self.log.newest(deployment, limit, revision)
        return [
            LoggedAnswer(id=row["id"], at=row["at"], revision=row["revision"], output=_members(row, OUTPUT))
            for row in table.iter_rows(named=True)
        ]

    @verb("read")
    def show(self, id: str) -> Prediction:  # noqa: A002 - the word of the vocabulary
        """One answer: the inputs it was given for, the outputs, and its label if that is known."""
        table = self._found(id)
        label = self._label(table)
        return _prediction(table, label)

    def record(self, id: str) -> Prediction:  # noqa: A002 - the word of the vocabulary
        """One answer as it was logged, without looking for its label: quick, for lineage."""
        return _prediction(self._found(id), None)

    @verb("read")
    def labels(self, deployment: str, limit: int = 20) -> Labelled:
        """The last answers whose truth is known, the newest first."""
        self._known(deployment)
        table = self.join_labels(deployment).reverse().head(limit)
        names = ("id", "at", "revision", "score", "label", "labelled")
        return [LabelledPrediction(**{name: row[name] for name in names}) for row in table.iter_rows(named=True)]

    @verb("read")
    def summary(self, deployment: str, period: str = "7d") -> LogSummary:
        """How many answers there were in the last `period` up to the newest one, and how long they took."""
        self._known(deployment)
        newest, length = self.log.newest(deployment, 1), duration(period)
        since = newest.item(0, "at") - length if newest.height else None
        columns = ["at", "revision", "model", "role", "latency_us", "score"]
        return summarise(self.log.scan(deployment, since, columns=columns), length)

    @verb("read")
    def quality(self, deployment: str, every: str = "7d", since: str = "") -> Qualities:
        """How good the answers turned out to be, by stretch of time, oldest first."""
        self._known(deployment)
        newest = self.log.newest(deployment, 1)
        if newest.height == 0:
            return []
        task = self.registry.show(newest.item(0, "model")).task
        start = instant(since) if since else None
        labelled = self.join_labels(deployment, start, columns=["at", "model", "role", "score"])
        return realised(labelled, duration(every), cast("Task", task))

    @verb("write")
    def feedback(self, id: str, label: Any) -> Feedback:  # noqa: A002 - the word of the vocabulary
        """Give the truth of one answer by its id; given again, the last one counts."""
        if isinstance(label, dict | list) or label is None:
            raise UsageError(
                f"{label!r} is not a label", cause="a label is one value", cure="give a number, a text, true or false"
            )
        prediction = self.record(id)
        with self.catalog.write() as tx:
            event = tx.event(f"prediction:{prediction.id}", {"deployment": prediction.deployment})
            values = {"deployment": prediction.deployment, "label": label, "at": tx.now, "event": event}
            tx.execute(
                insert(feedback)
                .values(prediction=prediction.id, **values)
                .on_conflict_do_update(index_elements=["prediction"], set_=values)
            )
            return Feedback(id=prediction.id, deployment=prediction.deployment, label=label, at=tx.now, event=event)

    @verb("write")
    def compact(self) -> Compaction:
        """Turn what workers have spooled into files; done from time to time by whoever serves."""
        return self.log.compact()

    def append(self, deployment: str, table: pl.DataFrame) -> None:
        """Add answers in bulk, with the columns of `scan`."""
        self.log.append(deployment, table)

    def scan(
        self,
        deployment: str,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The answers of [since, until) by time; see `PredictionLog.scan`."""
        return self.log.scan(deployment, since, until, columns)

    def join_labels(
        self,
        deployment: str,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
        *,
        inputs: Inputs | None = None,
    ) -> pl.DataFrame:
        """The answers of [since, until) whose label is known now: the columns of `scan`, `label` and `labelled`.

        A label is known once its row's event time and the dataset's label delay have passed, or when it was given by
        `feedback`. `labelled` is when it became known. `inputs` says where labels come from; by default those of the
        model that answered last.
        """
        found = self.log.scan(deployment, since, until, columns if columns is None else _with(columns, "id", "key"))
        taught = self._inputs(deployment) if inputs is None else inputs
        known = self._labels.at(self.data, taught, self.catalog.clock.now(), since)
        return truth.joined(found, known, self._given(deployment))

    def _found(self, id_: str) -> pl.DataFrame:
        name = id_.removeprefix("prediction:")
        table = self.log.find(name)
        if table.height == 0:
            recent = [identity for each in self._deployments() for identity in self.log.newest(each, 20)["id"]]
            raise unknown("prediction", name, recent, cure="mulle predictions list --deployment NAME")
        return table

    def _inputs(self, deployment: str) -> Inputs:
        newest = self.log.newest(deployment, 1, columns=["model"])
        return self._inputs_of(newest.item(0, "model")) if newest.height else Inputs()

    def _inputs_of(self, model: str) -> Inputs:
        """What a version was taught; that never changes."""
        if model not in self._taught:
            self._taught[model] = self.registry.show(model).inputs
        return self._taught[model]

    def _given(self, deployment: str) -> pl.DataFrame:
        with self.catalog.read() as tx:
            rows = tx.all(_GIVEN, {"deployment": deployment, "now": tx.now})
        if not rows:
            return pl.DataFrame()
        return pl.DataFrame({
            "id": [row.prediction for row in rows],
            "label": pl.Series([row.label for row in rows], strict=False),
            "labelled": pl.Series([row.at for row in rows], dtype=pl.Datetime("us", "UTC")),
        })  # fmt: skip

    def _label(self, table: pl.DataFrame) -> tuple[Any, datetime] | None:
        deployment, at = table.item(0, "deployment"), table.item(0, "at")
        inputs = self._inputs_of(table.item(0, "model"))
        given = self._given(deployment)
        known = self._labels.at(self.data, inputs, self.catalog.clock.now(), at)
        found = truth.joined(table.select("id", "key"), known, given)
        return (found.item(0, "label"), found.item(0, "labelled")) if found.height else None

    def _known(self, deployment: str) -> None:
        names = set(self._deployments())
        if deployment not in names:
            raise unknown("deployment", deployment, names, cure="mulle deployments list")


def _prediction(table: pl.DataFrame, label: tuple[Any, datetime] | None) -> Prediction:
    row = table.row(0, named=True)
    return Prediction(
        **{name: row[name] for name in ("id", "at", "deployment", "revision", "model", "role", "key", "score")},
        latency_us=row["latency_us"],
        inputs=_members(row, INPUT),
        output=_members(row, OUTPUT),
        label=label[0] if label else None,
        labelled=label[1] if label else None,
    )


def _members(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def _with(columns: Sequence[str], *needed: str) -> Any:
    return list(dict.fromkeys([*columns, *needed]))
