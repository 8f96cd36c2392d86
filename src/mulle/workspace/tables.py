"""Every plane's tables in one place, so that a new catalog has all of them."""

from __future__ import annotations

import importlib

PLANES = [
    *("data", "delivery", "monitoring", "pipelines", "predictions", "registry", "resources", "serving", "tracking"),
    "tuning",
]


def declare_all() -> None:
    """Import every plane's tables into the catalog's metadata."""
    for plane in PLANES:
        importlib.import_module(f"mulle.{plane}.tables")
