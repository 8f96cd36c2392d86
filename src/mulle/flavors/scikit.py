"""Scikit-learn estimators and pipelines, and whatever follows their interface; written as pickles, so signed.

The served form avoids a table library where it can: a matrix when all inputs are numbers, and for a pipeline that
begins with a ColumnTransformer its parts by position. `hints` finds out on the input example which of them answers
exactly as the estimator does; only when neither does is a Polars frame built in the worker.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mulle.flavors.predictor import CallablePredictor, Outputs, Predictor, classifier_outputs
from mulle.flavors.signature import Columns, Signature, columns_of, fields_of, matrix

if TYPE_CHECKING:
    import polars as pl


class Scikit:
    name = "sklearn"
    file = "model.pkl"
    pickled = True

    def claims(self, native: Any) -> bool:
        estimator = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
        return estimator is not None and isinstance(native, estimator)

    def outputs(self, native: Any) -> Outputs:
        classes = getattr(native, "classes_", None)
        if classes is None or not hasattr(native, "predict"):
            return Outputs("regression")
        return classifier_outputs(classes)

    def dump(self, native: Any) -> bytes:
        return dump_pickle(native)

    def load(self, data: bytes) -> Any:
        return limit_threads(pickle.loads(data))  # noqa: S301 - sealed by this workspace

    def hints(self, native: Any, example: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        expected = raw_of(native, outputs)(example)
        signature = Signature(fields_of(example), outputs.fields())
        columns = columns_of(example, signature)
        for way in ("matrix", "parts"):
            try:
                asked = _WAYS[way](native, signature, outputs)(columns, example.height)
            except Exception:  # noqa: BLE001, S112 - whatever goes wrong, this way is not open
                continue
            if np.array_equal(np.asarray(asked), np.asarray(expected), equal_nan=asked.dtype.kind == "f"):
                return {"way": way}
        return {"way": "frame"}

    def predictor(self, native: Any, signature: Signature, outputs: Outputs, hints: Mapping[str, Any]) -> Predictor:
        ask = _WAYS[hints.get("way", "frame")](native, signature, outputs)
        return CallablePredictor(signature, lambda columns, n: finish(ask(columns, n), outputs))

    def predict_table(self, native: Any, table: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        return finish(raw_of(native, outputs)(table), outputs)


Ask = Callable[[Columns, int], Any]


def raw_of(native: Any, outputs: Outputs) -> Callable[[Any], Any]:
    """The estimator's raw answer to its own kind of input: probabilities where it has them."""
    classifies = outputs.task in ("binary", "multiclass") and hasattr(native, "predict_proba")
    method = native.predict_proba if classifies else native.predict

    def ask(rows: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "X does not have valid feature names": the order is checked
            return np.asarray(method(rows))

    return ask


def finish(raw: Any, outputs: Outputs) -> dict[str, Any]:
    """Named outputs from a raw answer."""
    if outputs.task == "regression" or raw.ndim == 1:
        return {"prediction": raw.reshape(len(raw), -1)[:, 0] if raw.ndim > 1 else raw}
    return outputs.from_probabilities(raw)


def _by_matrix(native: Any, signature: Signature, outputs: Outputs) -> Ask:
    if not signature.numeric:
        raise TypeError("text does not go into a matrix of numbers")
    ask, names = raw_of(native, outputs), signature.names
    return lambda columns, n: ask(matrix(columns, names, n))


def _by_parts(native: Any, signature: Signature, outputs: Outputs) -> Ask:
    head, rest = native.steps[0][1], native.steps[1:]
    tail = raw_of(type(native)(rest), outputs)
    names = signature.names
    parts = [
        (part, [names[place] for place in np.atleast_1d(head._transformer_to_input_indices[name])])  # noqa: SLF001 - there is no public way
        for name, part, _ in head.transformers_
        if not (isinstance(part, str) and part == "drop")
    ]
    kinds = {field.name: field.kind for field in signature.inputs}

    def ask(columns: Columns, n: int) -> Any:
        pieces = []
        for part, chosen in parts:
            if not chosen:
                continue
            text = any(kinds[name] not in ("float", "int", "bool") for name in chosen)
            rows = matrix(columns, chosen, n, dtype=object if text else np.float64)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                piece = rows if isinstance(part, str) else part.transform(rows)
            pieces.append(piece.toarray() if hasattr(piece, "toarray") else np.asarray(piece))
        return tail(np.hstack(pieces))

    return ask


def _by_frame(native: Any, signature: Signature, outputs: Outputs) -> Ask:
    ask, names = raw_of(native, outputs), signature.names

    def call(columns: Columns, n: int) -> Any:
        import polars as pl  # noqa: PLC0415 - start-up time

        del n
        return ask(pl.DataFrame({name: columns[name] for name in names}))

    return call


_WAYS: dict[str, Callable[[Any, Signature, Outputs], Ask]] = {
    "matrix": _by_matrix,
    "parts": _by_parts,
    "frame": _by_frame,
}


def limit_threads(native: Any) -> Any:
    """One thread a prediction: workers are scaled by process."""
    for estimator in (native, *(part for _, part in getattr(native, "steps", ()))):
        if getattr(estimator, "n_jobs", None) is not None:
            estimator.n_jobs = 1
    return native


def dump_pickle(native: Any) -> bytes:
    """A pickle that carries classes of the user's own project by value, so that it loads without the project."""
    import cloudpickle  # noqa: PLC0415 - start-up time

    modules = [sys.modules[name] for name in _own_modules(native)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(native, protocol=pickle.HIGHEST_PROTOCOL))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _own_modules(native: Any) -> set[str]:
    """Modules outside of site-packages and the standard library that define the model or a step of it."""
    found = set()
    for part in (native, *(step for _, step in getattr(native, "steps", ()))):
        name = type(part).__module__
        path = getattr(sys.modules.get(name), "__file__", None) or ""
        installed = "site-packages" in path or path.startswith((sys.base_prefix, sys.prefix))
        if path and not installed and not name.startswith("mulle."):
            found.add(name)
    return found
