"""Data against what it was declared to be. Names are handed on lazily."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.validation.guarding import guard
    from mulle.validation.model import Validation
    from mulle.validation.service import ValidationService

_HOMES = {"Validation": "model", "ValidationService": "service", "guard": "guarding"}
__all__ = ["Validation", "ValidationService", "guard"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.validation' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mulle.validation.{_HOMES[name]}"), name)
