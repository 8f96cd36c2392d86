"""What one writes without a platform: a FastAPI app around one model. `python -m benchmarks.plain_fastapi PORT MODEL`.

A model that ends in .onnx is asked by ONNX Runtime with one thread, a pickle by scikit-learn. It gives no ids and logs
nothing.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    rows: list[list[float]]


def scorer(path: Path):
    if path.suffix == ".onnx":
        import onnxruntime  # noqa: PLC0415 - start-up time

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options)
        name, wanted = session.get_inputs()[0].name, session.get_outputs()[-1].name
        return lambda rows: session.run([wanted], {name: np.array(rows, dtype=np.float32)})[0][:, 1]
    model = pickle.loads(path.read_bytes())
    return lambda rows: model.predict_proba(np.array(rows))[:, 1]


def main(arguments: list[str]) -> None:
    app = FastAPI()
    score = scorer(Path(arguments[1]))

    @app.post("/predict")
    async def predict(asked: Rows) -> dict[str, list[float]]:
        return {"probability": score(asked.rows).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=int(arguments[0]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
