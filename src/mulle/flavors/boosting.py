"""LightGBM models on numbers, written as their own text format: no pickle, no scikit-learn needed to serve."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mulle.flavors.predictor import CallablePredictor, Outputs, Predictor, classifier_outputs
from mulle.flavors.scikit import finish
from mulle.flavors.signature import Columns, Signature, columns_of, fields_of, matrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl


class LightGbm:
    name = "lightgbm"
    file = "model.txt"
    pickled = False

    def claims(self, native: Any) -> bool:
        library = sys.modules.get("lightgbm")
        if library is None:
            return False
        if isinstance(native, library.Booster):
            return True
        simple = type(native) in (library.LGBMClassifier, library.LGBMRegressor)
        return simple and not callable(native.objective_) and not native.booster_.pandas_categorical

    def outputs(self, native: Any) -> Outputs:
        classes = getattr(native, "classes_", None)
        if classes is None and "binary" in str(getattr(native, "params", {}).get("objective", "")):
            classes = [0, 1]
        if classes is None:
            return Outputs("regression")
        return classifier_outputs(classes)

    def dump(self, native: Any) -> bytes:
        return str(_booster(native).model_to_string()).encode()

    def load(self, data: bytes) -> Any:
        import lightgbm  # noqa: PLC0415 - start-up time

        return lightgbm.Booster(model_str=data.decode())

    def hints(self, native: Any, example: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        del native, example, outputs
        return {}

    def predictor(self, native: Any, signature: Signature, outputs: Outputs, hints: Mapping[str, Any]) -> Predictor:
        del hints
        names = signature.names

        def call(columns: Columns, n: int) -> dict[str, Any]:
            return finish(_ask(native, matrix(columns, names, n), outputs), outputs)

        return CallablePredictor(signature, call)

    def predict_table(self, native: Any, table: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        signature = Signature(fields_of(table), outputs.fields())
        rows = matrix(columns_of(table, signature), signature.names, table.height)
        return finish(_ask(_booster(native), rows, outputs), outputs)


def _booster(native: Any) -> Any:
    return getattr(native, "booster_", native)


def _ask(booster: Any, rows: Any, outputs: Outputs) -> Any:
    raw = np.asarray(booster.predict(rows, num_threads=1))
    return np.column_stack((1 - raw, raw)) if outputs.task == "binary" else raw
