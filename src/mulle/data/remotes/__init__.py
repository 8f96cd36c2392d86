"""Datasets on another machine: pushed, pulled, listed. Names are handed on lazily."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.data.remotes.service import Remotes

__all__ = ["Remotes"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mulle.data.remotes' has no attribute '{name}'")
    return getattr(importlib.import_module("mulle.data.remotes.service"), name)
