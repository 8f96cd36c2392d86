"""Features by entity, for requests that leave them out; for workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mulle.clock import Clock
from mulle.features.online import OnlineStore, SqliteOnline
from mulle.predictions.frames import microseconds


class OnlineFeatures:
    """The newest features of an entity, as the plane asks for them."""

    def __init__(self, store: OnlineStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def lookup(self, view: str, entity: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The features of one entity that may be used now; None when there are none."""
        held = self._store.view(view)
        if held is None or set(held.entity) - set(entity):
            return None
        key = tuple(_whole(entity[name]) for name in held.entity)
        values = self._store.read(view, [key], microseconds(self._clock.now()))[0]
        return None if values is None else dict(zip(held.features, values, strict=True))


def _whole(value: Any) -> Any:
    """A number that JSON or a model's input made a float, as the integer that entities have."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def open_online(path: Path, clock: Clock) -> OnlineFeatures:
    """The online store of a workspace."""
    return OnlineFeatures(SqliteOnline(path), clock)
