"""Models served by ONNX Runtime: one thread a session, numbers as a matrix or one tensor a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mulle.flavors.signature import Columns, Signature, matrix

if TYPE_CHECKING:
    from pathlib import Path

    from mulle.flavors.predictor import Outputs

INPUT = "input"
SINGLE, DOUBLE = 32, 64
"""Bits of a number."""


def open_session(data: bytes | Path) -> Any:
    """A session with one intra-op thread: more would spin on every core for one row."""
    import onnxruntime  # noqa: PLC0415 - start-up time

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = data if isinstance(data, bytes) else str(data)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class OnnxPredictor:
    """A predictor by an ONNX Runtime session."""

    def __init__(self, session: Any, signature: Signature, outputs: Outputs, width: int) -> None:
        self.signature = signature
        self._session = session
        self._outputs = outputs
        self._number = np.float32 if width == SINGLE else np.float64
        names = {one.name for one in session.get_inputs()}
        self._matrix = names == {INPUT}
        self._fields = [one for one in signature.inputs if one.name in names]
        given = [one.name for one in session.get_outputs()]
        self._wanted = [given[-1]] if outputs.task in ("binary", "multiclass") else [given[0]]

    def predict(self, columns: Columns, n: int) -> dict[str, Any]:
        raw = self._session.run(self._wanted, self._feed(columns, n))[0]
        if self._outputs.task == "regression":
            return {"prediction": np.asarray(raw, dtype=np.float64).reshape(n)}
        return self._outputs.from_probabilities(raw)

    def _feed(self, columns: Columns, n: int) -> dict[str, Any]:
        if self._matrix:
            return {INPUT: matrix(columns, self.signature.names, n, dtype=self._number)}
        return {one.name: self._tensor(columns[one.name], one.kind).reshape(n, 1) for one in self._fields}

    def _tensor(self, values: Any, kind: str) -> Any:
        if kind != "str":
            return np.asarray(values, dtype=self._number)
        if None not in values:
            return np.asarray(values, dtype=object)
        found = np.empty(len(values), dtype=object)
        found[:] = ["" if value is None else value for value in values]  # a string tensor has no null
        return found
