"""Every plane's tables, for what must see the whole schema: migrations and their tests."""

from __future__ import annotations

import importlib
from pathlib import Path

import mulle


def import_all_tables() -> list[str]:
    """Import `mulle.<plane>.tables` of every plane that has one, and return their names."""
    root = Path(mulle.__file__).parent
    planes = [path for path in sorted(root.glob("*/tables.py")) if path.parent.name != "workspace"]
    names = [f"mulle.{path.parent.name}.tables" for path in planes]
    for name in names:
        importlib.import_module(name)
    return names
