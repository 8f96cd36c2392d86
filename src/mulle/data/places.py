"""Where a path that a verb was given is: here as it stands; from another machine, below the project's root."""

from __future__ import annotations

from pathlib import Path

from mulle.errors import UsageError
from mulle.verbs import current


def placed(path: str | Path, root: Path | None = None) -> Path:
    """The path to use.

    Args:
        path: as it was given; relative to the current folder, or to the root where the call came over a wire.
        root: the project's folder; the current one by default.

    Raises:
        UsageError: the call came over a wire, and the path leads out of the root.
    """
    if not current().far:
        return Path(path).expanduser()
    inside = (root or Path.cwd()).resolve()
    found = (inside / path).resolve()
    if not found.is_relative_to(inside):
        raise UsageError(
            f"{path} is not in the project",
            cause="a path that comes over HTTP is one below the project's folder",
            cure="give a path relative to it, or run the command on that machine",
        )
    return found
