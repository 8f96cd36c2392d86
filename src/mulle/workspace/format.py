"""The workspace on disk: its format file, made first, checked before anything is opened."""

from __future__ import annotations

import re
from pathlib import Path

from mulle.errors import CatalogError

FORMAT = 1
_LINE = re.compile(r"^mulle-workspace (\d+)\s*$")


def write(workspace: Path) -> None:
    """Mark a folder as a workspace of this format."""
    (workspace / "format").write_text(f"mulle-workspace {FORMAT}\n", "utf-8")


def check(workspace: Path) -> None:
    """Refuse what is not a workspace, or one from a newer mulle.

    Raises:
        CatalogError: there is no workspace, or its format is newer than this mulle knows.
    """
    file = workspace / "format"
    if not (workspace / "catalog.db").exists():
        raise CatalogError(f"there is no workspace at {workspace}", cause="nothing was made here", cure="mulle init")
    found = _LINE.match(file.read_text("utf-8")) if file.exists() else None
    if found is None:
        raise CatalogError(
            f"{file} does not say which format the workspace has", cause="it is missing or damaged", cure="restore it"
        )
    if int(found[1]) > FORMAT:
        raise CatalogError(
            f"the workspace at {workspace} has format {found[1]}; this mulle knows up to {FORMAT}",
            cause="it was made by a newer mulle",
            cure="pip install --upgrade mulle",
        )
