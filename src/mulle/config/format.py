"""The mark `format` in a workspace folder: what is looked at before anything else in it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mulle.errors import CatalogError

FORMAT = 1
_MARK = re.compile(r"mulle-workspace (\d+)\s*")


def write_format(workspace: Path) -> None:
    """Mark a folder as a workspace of this format; safe from a power cut when it returns."""
    temporary = workspace / f".format.{os.getpid()}"
    with temporary.open("w", encoding="ascii") as file:
        file.write(f"mulle-workspace {FORMAT}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(workspace / "format")
    fd = os.open(workspace, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_format(workspace: Path) -> None:
    """Refuse a folder that is no workspace, or one of a newer format.

    Raises:
        CatalogError: says which, and what to do.
    """
    try:
        text = (workspace / "format").read_text("ascii")
    except FileNotFoundError:
        raise CatalogError(
            f"there is no workspace at {workspace}", cause="the folder has no file 'format'", cure="mulle init"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"the workspace at {workspace} cannot be read", cause=str(error), cure=f"restore {workspace / 'format'}"
        ) from error
    match = _MARK.fullmatch(text)
    if match is None:
        raise CatalogError(
            f"the workspace at {workspace} cannot be read",
            cause=f"its file 'format' says {text[:40]!r}, not 'mulle-workspace {FORMAT}'",
            cure=f"restore {workspace / 'format'}",
        )
    if int(match[1]) > FORMAT:
        raise CatalogError(
            f"the workspace at {workspace} is from a newer mulle: format {match[1]}",
            cause=f"this mulle knows formats up to {FORMAT}",
            cure="pip install --upgrade mulle",
        )
