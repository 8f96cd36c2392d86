"""The process that fits: orders come in by one pipe, what was found goes out by another. It can be ended at any time.

    python -m mulle.tuning.automl.fitting IN OUT

It holds the rows, split once, and the encoded columns of the last few encodings, so that a fit costs the fit.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from typing import Any, BinaryIO

import msgspec

from mulle.pipelines.worker import Frames
from mulle.tuning.automl.problem import Problem
from mulle.tuning.automl.recipes import Recipe


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Take these rows (an Arrow IPC file), and this problem; the code says how they are prepared and split."""

    path: str
    problem: Problem
    code: str


class Fit(msgspec.Struct, frozen=True, tag="fit"):
    """Fit a recipe to so many rows, until a deadline of this machine's monotonic clock."""

    recipe: Recipe
    rows: int
    deadline: float


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """Run the steps of the code as they are written and look at the outcome, until a deadline for the looking."""

    code: str
    deadline: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """How many rows there are to train on, to choose by and to judge by, and the truth to choose by (float32)."""

    train: int
    valid: int
    holdout: int
    truth: bytes


class Fitted(msgspec.Struct, frozen=True, tag="fitted"):
    """What a fit found: the score on the rows to choose by, and the predictions there (float32, row by row)."""

    score: float
    seconds: float
    trees: int
    predictions: bytes
    cut_short: bool = False


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The winner on the holdout."""

    score: float
    metrics: dict[str, float]
    calibration: list[dict[str, float]]
    importance: dict[str, float]
    slices: list[dict[str, Any]]
    seconds: float


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """An order could not be carried out."""

    error: str


Order = Load | Fit | Finish
Answer = Loaded | Fitted | Finished | Broken


def main(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Carry out orders until the pipe ends."""
    warnings.simplefilter("ignore")  # a recipe that does not fit well is scored low; that is all there is to say
    frames = Frames(incoming, outgoing)
    orders: list[Order] = []
    there = threading.Condition()

    def receive() -> None:
        decode = msgspec.msgpack.Decoder(Order).decode
        while (data := frames.receive()) is not None:
            with there:
                orders.append(decode(data))
                there.notify()
        os._exit(0)  # who asked is gone

    threading.Thread(target=receive, daemon=True).start()
    from mulle.tuning.automl.bench import Bench  # noqa: PLC0415 - the libraries, while the rows are on their way

    bench: Bench | None = None
    while True:
        with there:
            while not orders:
                there.wait(60)
            order = orders.pop(0)
        try:
            answer: Answer
            if isinstance(order, Load):
                bench = Bench(order)
                answer = bench.loaded
            else:
                assert bench is not None
                began = time.perf_counter()
                answer = bench.fit(order) if isinstance(order, Fit) else bench.finish(order, began)
        except Exception as error:  # noqa: BLE001 - whatever a library raises is told to who asked
            answer = Broken(f"{type(error).__name__}: {error}")
        frames.send(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main(os.fdopen(int(sys.argv[1]), "rb", buffering=0), os.fdopen(int(sys.argv[2]), "wb"))
