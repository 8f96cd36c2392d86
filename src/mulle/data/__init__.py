"""Datasets: named histories of immutable versions; sources; reading. Names are handed on lazily.

Workers read versions through `mulle.data.reading`, which needs no catalog.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.data.definition import Dataset, Source, asked_at, dataset, source
    from mulle.data.model import Diff, Version
    from mulle.data.service import DataService

_HOMES = {
    "Dataset": "definition",
    "Source": "definition",
    "asked_at": "definition",
    "dataset": "definition",
    "source": "definition",
    "Diff": "model",
    "Version": "model",
    "DataService": "service",
}
__all__ = ["DataService", "Dataset", "Diff", "Source", "Version", "asked_at", "dataset", "source"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.data' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mulle.data.{_HOMES[name]}"), name)
