"""The one shape that every loaded model has, and how probabilities become outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import numpy as np

from mulle.flavors.signature import Columns, Field, Signature

if TYPE_CHECKING:
    from collections.abc import Callable

_BINARY, _HALF = 2, 0.5

Task = Literal["binary", "multiclass", "regression", "other"]


class Predictor(Protocol):
    """A loaded model. Calls are independent of each other and may come from several threads."""

    signature: Signature

    def predict(self, columns: Columns, n: int) -> dict[str, Any]:
        """The outputs for `n` rows: name → array of length `n` (a matrix for multiclass probabilities)."""


class Outputs(msgspec.Struct, frozen=True):
    """What a model's raw answer means.

    `decision` is "argmax" when the predicted class is that of the largest probability, "native" when the model decides
    in its own way (a tuned threshold) and must be asked.
    """

    task: Task
    classes: list[Any] = []
    decision: Literal["argmax", "native"] = "argmax"

    def fields(self) -> list[Field]:
        if self.task == "regression":
            return [Field("prediction", "float")]
        kind = _class_kind(self.classes)
        return [Field("prediction", kind), Field("probability", "float")]

    def from_probabilities(self, probabilities: Any) -> dict[str, Any]:
        """Outputs from one column a class, or from the positive class alone."""
        if self.task == "binary":
            positive = probabilities if probabilities.ndim == 1 else probabilities[:, 1]
            positive = np.asarray(positive, dtype=np.float64)
            chosen = self.labels[(positive > _HALF).astype(np.intp)]
            return {"prediction": chosen, "probability": positive}
        values = np.asarray(probabilities, dtype=np.float64)
        return {"prediction": self.labels[values.argmax(axis=1)], "probability": values}

    @property
    def labels(self) -> Any:
        """The classes as an array."""
        kind = _class_kind(self.classes)
        return np.array(self.classes, dtype=object if kind == "str" else None)


def classifier_outputs(classes: Any) -> Outputs:
    """What a classifier with these classes answers."""
    names = np.asarray(classes).tolist()
    return Outputs("binary" if len(names) == _BINARY else "multiclass", names)


def score_of(outputs: dict[str, Any], task: Task) -> Any:
    """The one number a row that quality and drift are measured on: a probability or the predicted value.

    For multiclass it is the matrix of probabilities.
    """
    return outputs["probability"] if task in ("binary", "multiclass") else outputs["prediction"]


def scores_for_log(outputs: dict[str, Any]) -> Any:
    """One float a row for the prediction log: the probability (of the predicted class) or the predicted number."""
    values = outputs.get("probability")
    if values is None:
        values = outputs.get("prediction")
    if values is None:
        values = next(iter(outputs.values()))
    array = np.asarray(values)
    if array.ndim > 1:
        array = array.max(axis=1)
    if array.dtype.kind not in "fiub":
        return np.full(len(array), np.nan)
    return array.astype(np.float64)


def _class_kind(classes: list[Any]) -> Any:
    first: Any = classes[0] if classes else 0
    for kind, of in (("bool", bool), ("int", int), ("float", float)):
        if isinstance(first, of):
            return kind
    return "str"


class CallablePredictor:
    """A predictor from a function of columns; what the flavors build."""

    def __init__(self, signature: Signature, call: Callable[[Columns, int], dict[str, Any]]) -> None:
        self.signature = signature
        self._call = call

    def predict(self, columns: Columns, n: int) -> dict[str, Any]:
        return self._call(columns, n)
