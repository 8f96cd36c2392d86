"""A deployment answers a whole table at once, without a socket: backtests, scheduled scoring, batches.

The same revisions, traffic, shadows and log as over HTTP; the models answer by their own library.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

import polars as pl

from mulle.clock import Ids
from mulle.errors import ServingError
from mulle.flavors import Model
from mulle.flavors.predictor import scores_for_log
from mulle.predictions import PredictionLog
from mulle.predictions.frames import CANARY, LIVE, SHADOW
from mulle.predictions.keys import key_texts
from mulle.registry import Registry
from mulle.serving.model import Deployment
from mulle.serving.routing import Router

_MODELS = 8
_AT = pl.Datetime("us", "UTC")


class TablePlane:
    """Answers tables for the deployments of one catalog. Not for several threads at once."""

    def __init__(self, registry: Registry, log: PredictionLog, ids: Ids) -> None:
        self._registry = registry
        self._log = log
        self._ids = ids
        self._models: OrderedDict[str, tuple[Model, list[str]]] = OrderedDict()

    def predict(self, one: Deployment, rows: pl.DataFrame, at: datetime | str) -> pl.DataFrame:
        """Answer every row and log the answers; gives what callers would have got, in the order of the rows.

        Args:
            one: the deployment, as it is now.
            rows: the models' input columns and the key's.
            at: the instant of the requests, or the column that has it for each row.

        Raises:
            ServingError: the deployment is not active, or there are no rows.
        """
        if not one.active:
            raise ServingError(
                f"'{one.name}' does not answer", cause="it was undeployed", cure=f"mulle deploy {one.name}"
            )
        _, key = self._model(one, one.traffic.primary)
        found = key if set(key) <= set(rows.columns) else []
        asked = rows.with_columns(
            key_texts(rows, found).alias("__key"),
            pl.Series("__id", [self._ids.new() for _ in range(rows.height)], dtype=pl.String),
            (pl.col(at) if isinstance(at, str) else pl.lit(at)).cast(_AT).alias("__at"),
        )
        given = [
            self._answer(one, number, part, LIVE if number == one.traffic.primary else CANARY)
            for number, part in _routed(one, asked).items()
        ]
        beside = [self._answer(one, number, self._renamed(asked), SHADOW) for number in one.traffic.shadow]
        answers = pl.concat(given, how="diagonal_relaxed") if len(given) != 1 else given[0]
        self._log.append(one.name, pl.concat([answers, *beside], how="diagonal_relaxed") if beside else answers)
        return answers if len(given) == 1 else answers.sort("id")

    def _answer(self, one: Deployment, number: int, rows: pl.DataFrame, role: str) -> pl.DataFrame:
        model, _ = self._model(one, number)
        outputs = model.predict(rows)
        members = {name: _series(name, values) for name, values in outputs.items()}
        inputs = rows.select(pl.struct(model.signature.names).alias("inputs")).to_series()
        return pl.DataFrame({
            "id": rows["__id"],
            "at": rows["__at"],
            "deployment": pl.repeat(one.name, rows.height, eager=True),
            "revision": pl.repeat(number, rows.height, dtype=pl.Int64, eager=True),
            "model": pl.repeat(one.revision(number).model_ref, rows.height, eager=True),
            "role": pl.repeat(role, rows.height, eager=True),
            "key": rows["__key"],
            "score": pl.Series(scores_for_log(outputs)).fill_nan(None),
            "latency_us": pl.repeat(0, rows.height, dtype=pl.Int64, eager=True),
            "inputs": inputs,
            "outputs": pl.DataFrame(members).to_struct(),
        })  # fmt: skip

    def _renamed(self, asked: pl.DataFrame) -> pl.DataFrame:
        """The same rows under ids of their own, for answers that nobody is given."""
        return asked.with_columns(pl.Series("__id", [self._ids.new() for _ in range(asked.height)], dtype=pl.String))

    def _model(self, one: Deployment, number: int) -> tuple[Model, list[str]]:
        """A revision's model and the key of its rows; the last used ones stay loaded."""
        ref = one.revision(number).model_ref
        held = self._models.pop(ref, None)
        if held is None:
            version = self._registry.show(ref)
            held = (self._registry.load(version), version.inputs.key)
        self._models[ref] = held
        while len(self._models) > _MODELS:
            self._models.popitem(last=False)
        return held


def _routed(one: Deployment, asked: pl.DataFrame) -> dict[int, pl.DataFrame]:
    router = Router(one.name, one.traffic.weights)
    if router.only is not None:
        return {router.only: asked}
    places = [key or id_ for key, id_ in zip(asked["__key"], asked["__id"], strict=True)]
    chosen = pl.Series(router.revisions(places))
    return {number: asked.filter(chosen == number) for number in sorted(set(chosen.to_list()))}


def _series(name: str, values: Any) -> pl.Series:
    if values.ndim > 1:
        return pl.Series(name, values.tolist(), dtype=pl.List(pl.Float64))
    made = pl.Series(name, values.tolist() if values.dtype == object else values, strict=False)
    return made.fill_nan(None) if made.dtype.is_float() else made
