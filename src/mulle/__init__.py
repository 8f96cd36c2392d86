"""mulle: from raw data to a watched, self-renewing prediction service, with one lineage through all of it.

Names are handed on lazily, so that importing mulle costs next to nothing until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polars import DataFrame as Table

    from mulle.data import dataset, source
    from mulle.data.partitions import partitions
    from mulle.data.sources.declare import files, http, lines, objects, sql
    from mulle.delivery import (
        at_least,
        better_than_champion,
        canary,
        demand,
        deployment,
        drifted,
        full,
        latency_p99,
        new_data,
        no_slice_worse,
        quality_drop,
        schedule,
        shadow,
        trigger,
    )
    from mulle.errors import MulleError
    from mulle.features import feature_view
    from mulle.flavors import Model
    from mulle.monitoring import drift, monitor, outliers, quality, staleness
    from mulle.pipelines import (
        checkpoint,
        command,
        commit,
        loop,
        map,  # noqa: A004 - mulle.map
        pipeline,
        register,
        step,
        training_set,
        union,
        when,
    )
    from mulle.registry import evaluate
    from mulle.stats import Report, Schema, column, outcome
    from mulle.tracking import log_artifact, log_metric, log_param, report, should_prune, start_run
    from mulle.tuning import study
    from mulle.types import duration, instant
    from mulle.workspace import Workspace

__version__ = "0.1.0"

_HOMES = {
    "mulle.data": ["dataset", "source"],
    "mulle.data.partitions": ["partitions"],
    "mulle.data.sources.declare": ["files", "http", "lines", "objects", "sql"],
    "mulle.delivery": [
        *[
            "at_least",
            "better_than_champion",
            "canary",
            "demand",
            "deployment",
            "drifted",
            "full",
            "latency_p99",
            "new_data",
        ],
        *["no_slice_worse", "quality_drop", "schedule", "shadow", "trigger"],
    ],
    "mulle.errors": ["MulleError"],
    "mulle.features": ["feature_view"],
    "mulle.flavors": ["Model"],
    "mulle.monitoring": ["drift", "monitor", "outliers", "quality", "staleness"],
    "mulle.pipelines": [
        *[
            "checkpoint",
            "command",
            "commit",
            "loop",
            "map",
            "pipeline",
            "register",
            "step",
            "training_set",
            "union",
            "when",
        ],
    ],
    "mulle.registry": ["evaluate"],
    "mulle.stats": ["Report", "Schema", "column", "outcome"],
    "mulle.tracking": ["log_artifact", "log_metric", "log_param", "report", "should_prune", "start_run"],
    "mulle.tuning": ["study"],
    "mulle.types": ["duration", "instant"],
    "mulle.workspace": ["Workspace"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Model",
    "MulleError",
    "Report",
    "Schema",
    "Table",
    "Workspace",
    "at_least",
    "better_than_champion",
    "canary",
    "checkpoint",
    "column",
    "command",
    "commit",
    "dataset",
    "demand",
    "deployment",
    "drift",
    "drifted",
    "duration",
    "evaluate",
    "feature_view",
    "files",
    "full",
    "http",
    "instant",
    "latency_p99",
    "lines",
    "log_artifact",
    "log_metric",
    "log_param",
    "loop",
    "map",
    "monitor",
    "new_data",
    "no_slice_worse",
    "objects",
    "outcome",
    "outliers",
    "partitions",
    "pipeline",
    "quality",
    "quality_drop",
    "register",
    "report",
    "schedule",
    "shadow",
    "should_prune",
    "source",
    "sql",
    "staleness",
    "start_run",
    "step",
    "study",
    "training_set",
    "trigger",
    "union",
    "when",
]


def __getattr__(name: str) -> Any:
    if name == "Table":
        value = importlib.import_module("polars").DataFrame
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'mulle' has no attribute '{name}'")
    globals()[name] = value
    return value
