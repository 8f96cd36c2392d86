"""Searches over the parameters of pipelines, and over pipelines.

Names are handed on lazily: a project that declares a search needs words, not the database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.tuning.declare import study
    from mulle.tuning.service import StudyService
    from mulle.tuning.space import Choice, Int, Log, LogInt, Uniform

_HOMES = {"study": "declare", "StudyService": "service"}
_HOMES |= dict.fromkeys(("Choice", "Int", "Log", "LogInt", "Uniform"), "space")

__all__ = ["Choice", "Int", "Log", "LogInt", "StudyService", "Uniform", "study"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.tuning' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"mulle.tuning.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
