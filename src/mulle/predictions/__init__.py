"""The log of answers, the truth that arrives later, and their join.

Names are handed on lazily: serving workers write the log and must not load a table library or the catalog for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.predictions.log import PredictionLog
    from mulle.predictions.model import LabelledPrediction, LoggedAnswer, Prediction
    from mulle.predictions.service import Predictions

_HOME = {
    "LabelledPrediction": "mulle.predictions.model",
    "LoggedAnswer": "mulle.predictions.model",
    "Prediction": "mulle.predictions.model",
    "PredictionLog": "mulle.predictions.log",
    "Predictions": "mulle.predictions.service",
}

__all__ = ["LabelledPrediction", "LoggedAnswer", "Prediction", "PredictionLog", "Predictions"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mulle.predictions' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
