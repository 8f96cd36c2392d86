"""Pipelines: steps, the graph that their calls make, the memo, runs and what executes them.

Names are handed on lazily: a project that imports this needs the decorators, not the database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mulle.pipelines.definition import Pipeline, Step, pipeline, step

if TYPE_CHECKING:
    from mulle.pipelines import checkpoint
    from mulle.pipelines.branching import when
    from mulle.pipelines.builtin import commit, map, register, training_set, union  # noqa: A004 - mulle.map
    from mulle.pipelines.commands import command
    from mulle.pipelines.controller import Controller
    from mulle.pipelines.looping import loop
    from mulle.pipelines.memo import Memo
    from mulle.pipelines.service import RunService

_HOMES = {
    "Controller": "controller",
    "Memo": "memo",
    "RunService": "service",
    "register": "builtin",
    "training_set": "builtin",
    "commit": "builtin",
    "map": "builtin",
    "command": "commands",
    "union": "builtin",
    "when": "branching",
    "loop": "looping",
}

_MODULES = {"checkpoint"}

__all__ = [
    "Controller",
    "Memo",
    "Pipeline",
    "RunService",
    "Step",
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
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"mulle.pipelines.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.pipelines' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"mulle.pipelines.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
