"""A new catalog has every plane's tables."""

from __future__ import annotations

from mulle.testing.schema import import_all_tables
from mulle.workspace.tables import PLANES


def test_every_plane_that_has_tables_is_declared() -> None:
    assert sorted(f"mulle.{plane}.tables" for plane in [*PLANES, "catalog"]) == import_all_tables()
