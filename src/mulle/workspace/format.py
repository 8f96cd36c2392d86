"""The workspace on disk: its format file, made first, checked before anything is opened.

A workspace is there from the moment that its catalog has a schema. Whatever is made before that may be made again, by
another process at the same time or after a kill.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from mulle.catalog import Catalog
from mulle.catalog.version import schema_version
from mulle.clock import Clock, Ids
from mulle.errors import CatalogError
from mulle.workspace.tables import declare_all

FORMAT = 1
_LINE = re.compile(r"^mulle-workspace (\d+)\s*$")


def made(workspace: Path) -> bool:
    """Whether there is a workspace, and not only the beginning of one.

    Raises:
        CatalogError: its catalog is no database.
    """
    return (workspace / "catalog.db").exists() and schema_version(workspace / "catalog.db") > 0


def make(workspace: Path, clock: Clock, ids: Ids) -> None:
    """Make the workspace; where another process makes it at the same time, both find it made.

    Raises:
        CatalogError: objects of a workspace are here whose catalog is gone, the workspace is of a newer mulle, or the
            folder is on a network.
    """
    _refuse_newer(workspace)
    if any((workspace / "packs").glob("*.pack")) and not made(workspace):
        raise CatalogError(
            f"the catalog of the workspace at {workspace} is gone",
            cause="there are objects, but catalog.db is missing or empty",
            cure=f"restore {workspace / 'catalog.db'} from a backup, or move {workspace} away to begin anew",
        )
    declare_all()
    workspace.mkdir(parents=True, exist_ok=True)
    _write(workspace / "format", f"mulle-workspace {FORMAT}\n")
    _write(workspace / ".gitignore", "*\n")
    try:
        Catalog.create(workspace / "catalog.db", clock, ids).close()
    except CatalogError:
        if not made(workspace):
            raise


def _write(path: Path, text: str) -> None:
    """Put the file there whole: who reads it meanwhile finds all of it or nothing."""
    partial = path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def check(workspace: Path) -> None:
    """Refuse what is not a workspace, or one from a newer mulle.

    Raises:
        CatalogError: there is no workspace, or its format is newer than this mulle knows.
    """
    file = workspace / "format"
    if not (workspace / "catalog.db").exists():
        raise CatalogError(f"there is no workspace at {workspace}", cause="nothing was made here", cure="mulle init")
    if not file.exists() or _format(file) is None:
        raise CatalogError(
            f"{file} does not say which format the workspace has", cause="it is missing or damaged", cure="restore it"
        )
    _refuse_newer(workspace)


def _refuse_newer(workspace: Path) -> None:
    file = workspace / "format"
    found = _format(file) if file.exists() else None
    if found is not None and found > FORMAT:
        raise CatalogError(
            f"the workspace at {workspace} has format {found}; this mulle knows up to {FORMAT}",
            cause="it was made by a newer mulle",
            cure="pip install --upgrade mulle",
        )


def _format(file: Path) -> int | None:
    found = _LINE.match(file.read_text("utf-8", errors="replace"))
    return None if found is None else int(found[1])
