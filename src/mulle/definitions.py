"""What a project defines: datasets, feature views, pipelines, deployments, monitors, triggers.

Importing a project only defines. Definitions are collected into the `Definitions` that is current while the project is
imported; when none is (a unit test imports the module), they go nowhere and the functions are plain functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mulle.errors import ProjectError, unknown


class Definitions:
    """Definitions by kind ("dataset", "feature_view", "pipeline", …) and name; monitors and triggers are lists."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Any]] = {}

    def add(self, kind: str, name: str, value: Any) -> None:
        """Record one definition; a name defined twice is an error."""
        named = self._kinds.setdefault(kind, {})
        if name in named and named[name] is not value:
            raise ProjectError(
                f"{kind} '{name}' is defined twice", cause=f"two {kind}s share one name", cure="rename one of them"
            )
        named[name] = value

    def all(self, kind: str) -> dict[str, Any]:
        """The definitions of a kind by name, in the order they were made."""
        return dict(self._kinds.get(kind, {}))

    def get(self, kind: str, name: str) -> Any:
        """One definition, or an error that suggests the nearest name."""
        named = self._kinds.get(kind, {})
        if name not in named:
            raise unknown(
                kind.replace("_", " "), name, named, cure=f"define it in the project, or use one of its {kind}s"
            )
        return named[name]


_collecting: ContextVar[Definitions | None] = ContextVar("mulle_definitions", default=None)


@contextmanager
def collecting(into: Definitions | None = None) -> Iterator[Definitions]:
    """Within the block, definitions are collected into the yielded object."""
    definitions = into if into is not None else Definitions()
    token = _collecting.set(definitions)
    try:
        yield definitions
    finally:
        _collecting.reset(token)


def define(kind: str, name: str, value: Any) -> None:
    """Record a definition where one is being collected; otherwise do nothing."""
    definitions = _collecting.get()
    if definitions is not None:
        definitions.add(kind, name, value)
