"""Small models that are real: tests use them where a trained one would only cost time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np


class Summing:
    """Adds its inputs up, and a constant by which versions can be told apart."""

    def __init__(self, constant: float = 0.0) -> None:
        self.constant = constant

    def predict(self, columns: Mapping[str, Any]) -> Any:
        return np.sum([np.asarray(values, dtype=np.float64) for values in columns.values()], axis=0) + self.constant


class Slow(Summing):
    """Takes its time over every batch."""

    def __init__(self, seconds: float, constant: float = 0.0) -> None:
        super().__init__(constant)
        self.seconds = seconds

    def predict(self, columns: Mapping[str, Any]) -> Any:
        time.sleep(self.seconds)
        return super().predict(columns)


class Failing(Summing):
    """Fails on negative inputs."""

    def predict(self, columns: Mapping[str, Any]) -> Any:
        total = super().predict(columns)
        if np.any(total < 0):
            raise ValueError("negative rows are refused")
        return total


class Leaning:
    """A classifier of two classes: the first input is the log-odds."""

    classes_ = (False, True)

    def predict(self, columns: Mapping[str, Any]) -> Any:
        first = np.asarray(next(iter(columns.values())), dtype=np.float64)
        return {"probability": 1 / (1 + np.exp(-first))}
