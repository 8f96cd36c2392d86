"""Feature views, the point-in-time join, training sets, online features. Names are handed on lazily.

Serving workers import `mulle.features.online` alone, which needs no table engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.features.definition import FeatureView, feature_view
    from mulle.features.online import OnlineStore, SqliteOnline
    from mulle.features.pit import ViewFrame, point_in_time, reasons
    from mulle.features.service import FeatureService
    from mulle.features.training import ASKED, TrainingSpec, build_training_set, join, training_inputs

_HOMES = {
    "ASKED": "training",
    "FeatureService": "service",
    "FeatureView": "definition",
    "OnlineStore": "online",
    "SqliteOnline": "online",
    "TrainingSpec": "training",
    "ViewFrame": "pit",
    "build_training_set": "training",
    "feature_view": "definition",
    "join": "training",
    "point_in_time": "pit",
    "reasons": "pit",
    "training_inputs": "training",
}
__all__ = [
    "ASKED",
    "FeatureService",
    "FeatureView",
    "OnlineStore",
    "SqliteOnline",
    "TrainingSpec",
    "ViewFrame",
    "build_training_set",
    "feature_view",
    "join",
    "point_in_time",
    "reasons",
    "training_inputs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.features' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mulle.features.{_HOMES[name]}"), name)
