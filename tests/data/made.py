"""Records that tests make by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from mulle.data import Version
from mulle.types import Digest


def a_version(number: int, parent: int | None = None, merged: int | None = None) -> Version:
    """A version of a dataset `x` of which only its place in the history matters."""
    name = Digest(f"b3:{number:064x}")
    return Version(
        dataset="x", number=number, id=name, digest=name, logical=name, branch="main", parent=parent, merged=merged,
        actor="ann", at=datetime(2013, 1, 1, tzinfo=UTC), message="", kind="table", rows=0, bytes=0, schema=[],
        watermark=None, event="",
    )  # fmt: skip
