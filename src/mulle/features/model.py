"""The frozen records of the features plane."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class ViewInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view as the project defines it; lengths of time in seconds."""

    name: str
    entity: list[str]
    source: str
    ttl: float
    available_after: float
    lookback: float | None
    withheld: list[str]
    doc: str
    materialized: datetime | None


class Materialized(msgspec.Struct, frozen=True, kw_only=True):
    """What one materialisation did: `rows` entities written, features known up to `until`."""

    view: str
    version: str
    since: datetime | None
    until: datetime
    rows: int


class OnlineFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """The features of one entity from one or more views. Those of the views in `missing` are None: none may be used."""

    entity: dict[str, Any]
    features: dict[str, Any]
    missing: list[str]


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """A feature whose value changes when rows are taken away that it must not depend on.

    `kind` is "future" when they are later than the row (the view looks ahead), "lookback" when they are earlier than
    its declared lookback (the view looks further back than it says).
    """

    view: str
    kind: str
    column: str
    cut: datetime
    entity: dict[str, Any]
    at: datetime
    whole: Any
    truncated: Any
    rows: int


class LeakReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the leak detector found in a view, over how many cuts and rows."""

    view: str
    version: str
    cuts: int
    rows: int
    withheld: list[str]
    leaks: list[Leak]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.leaks
