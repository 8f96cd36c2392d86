"""Features by entity for requests that leave them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mulle.features.online import SqliteOnline


class OnlineFeatures:
    """Reads the online store's newest values."""

    def __init__(self, store: SqliteOnline) -> None:
        self._store = store

    def lookup(self, view: str, entity: Mapping[str, Any], ttl: float | None) -> Mapping[str, Any] | None:
        """The features of one entity that hold now."""
        raise NotImplementedError


def open_online(path: Path) -> OnlineFeatures:
    """The online store of a workspace."""
    return OnlineFeatures(SqliteOnline(path))
