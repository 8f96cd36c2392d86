"""Deployments: revisions, traffic, and the processes that answer.

Names are handed on lazily: worker processes live in this package and must load neither the catalog nor a table library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.serving.model import Deployment, Revision
    from mulle.serving.server import Server
    from mulle.serving.service import Deployments

_HOME = {
    "Deployment": "mulle.serving.model",
    "Deployments": "mulle.serving.service",
    "Revision": "mulle.serving.model",
    "Server": "mulle.serving.server",
}

__all__ = ["Deployment", "Deployments", "Revision", "Server"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mulle.serving' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
