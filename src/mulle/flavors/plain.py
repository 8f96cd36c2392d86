"""Any Python object with `predict`: it is handed a mapping of column names to arrays and returns one value a row.

It may return an array (the prediction) or a mapping of output names to arrays. Written as a signed pickle that carries
the class itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mulle.errors import FlavorError
from mulle.flavors.predictor import CallablePredictor, Outputs, Predictor, classifier_outputs
from mulle.flavors.scikit import dump_pickle
from mulle.flavors.signature import Signature, columns_of, fields_of

if TYPE_CHECKING:
    import polars as pl


class Plain:
    name = "python"
    file = "model.pkl"
    pickled = True

    def claims(self, native: Any) -> bool:
        return callable(getattr(native, "predict", None))

    def outputs(self, native: Any) -> Outputs:
        classes = getattr(native, "classes_", None)
        if classes is None:
            return Outputs("regression")
        return classifier_outputs(classes)

    def dump(self, native: Any) -> bytes:
        return dump_pickle(native)

    def load(self, data: bytes) -> Any:
        return pickle.loads(data)  # noqa: S301 - sealed by this workspace

    def hints(self, native: Any, example: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        self.predict_table(native, example.head(2), outputs)
        return {}

    def predictor(self, native: Any, signature: Signature, outputs: Outputs, hints: Mapping[str, Any]) -> Predictor:
        del hints
        return CallablePredictor(signature, lambda columns, n: _named(native.predict(columns), n, outputs))

    def predict_table(self, native: Any, table: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        columns = columns_of(table, Signature(fields_of(table), outputs.fields()))
        return _named(native.predict(columns), table.height, outputs)


def _named(answer: Any, n: int, outputs: Outputs) -> dict[str, Any]:
    named = answer if isinstance(answer, Mapping) else {"prediction": answer}
    found = {name: np.asarray(values) for name, values in named.items()}
    for name, values in found.items():
        if values.ndim == 0 or len(values) != n:
            raise FlavorError(
                f"the model's output '{name}' has shape {values.shape} for {n} rows",
                cause="a model gives one value a row",
                cure="return an array of one value a row from predict",
            )
    if outputs.task in ("binary", "multiclass") and "probability" in found and "prediction" not in found:
        return outputs.from_probabilities(found["probability"])
    return found
