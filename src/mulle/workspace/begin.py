"""A workspace where there is no project yet: for data alone, nothing needs to be written first."""

from __future__ import annotations

import json
from pathlib import Path

from mulle.config.settings import FILE, find_root


def begin(start: Path) -> Path | None:
    """Make a folder a project that only keeps data, by a `mulle.toml`; None where one is here or above already.

    The folder is the root of the git repository that `start` lies in; without one, `start` itself.
    """
    if find_root(start) is not None:
        return None
    start = start.resolve()
    root = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)
    root.mkdir(parents=True, exist_ok=True)
    try:
        with (root / FILE).open("x", encoding="utf-8") as file:
            file.write(f"[project]\nname = {json.dumps(root.name or 'data', ensure_ascii=False)}\n")
    except FileExistsError:
        return None  # another process was faster
    return root
