"""Files as they come: one that grows, those of a glob, or a folder into which others put them."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mulle.data import files as table_files
from mulle.data.sources.folders import FolderSource
from mulle.data.sources.pieces import Changed, Piece, Pieces, Removed, format_of
from mulle.data.sources.port import Batch, Place, Position
from mulle.errors import DataError, ProjectError
from mulle.types import duration

_FRESH_NS = 2_000_000_000
"""A file as new as this may change again without a newer time: its stamp is not trusted yet."""


@dataclass(frozen=True)
class FilesSource:
    """See `files`."""

    path: str
    changed: Changed
    removed: Removed
    every: timedelta

    kind = "files"

    @property
    def address(self) -> str:
        return self.path

    @property
    def identity(self) -> str:
        return f"files {self.path}"

    def cursor(self, position: Position) -> str:
        return f"{len(position.marks)} files"

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        listed = [_piece(path, place.root) for path in listing(self.path, place.root)]
        yield from Pieces(self.path, self.changed, self.removed).batches(listed, position, place)


def listing(pattern: str, root: Path, *, tables: bool = True) -> list[Path]:
    """The files of a path, a folder or a glob, sorted; none where the folder is there and empty.

    Raises:
        DataError: neither the file nor the folder in which to look is there.
    """
    whole = pattern if Path(pattern).is_absolute() else str(root / pattern)
    if Path(whole).is_dir():
        found = [path for path in Path(whole).rglob("*") if not path.name.startswith(".")]
        return sorted(path for path in found if path.is_file() and (not tables or table_files.is_table_file(path)))
    found = [Path(name) for name in glob.glob(whole, recursive=True)]  # noqa: PTH207 - pathlib refuses absolute patterns
    named = sorted(path for path in found if path.is_file())
    if named:
        return named
    fixed = Path(whole)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    if str(fixed) == whole or not fixed.is_dir():
        raise DataError(f"no file matches {pattern}", cause=f"there is no {fixed}", cure="check the path of the source")
    return []


def _piece(path: Path, root: Path) -> Piece:
    status = path.stat()

    @contextmanager
    def here() -> Iterator[Path]:
        yield path

    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
    settled = time.time_ns() - status.st_mtime_ns > _FRESH_NS
    return Piece(name, stamp, here, settled=settled, format=format_of(path.name))


def files(
    path: str | Path,
    *,
    changed: Changed = "error",
    removed: Removed = "error",
    every: str | timedelta = "10s",
    as_files: bool = False,
) -> FilesSource | FolderSource:
    """The rows of a file, of the files of a glob, or of a folder, each once: those of new files and of new lines.

    Of CSV, TSV and JSON lines that only grew, the new lines are taken. A file should be put in place by renaming: one
    that is seen half written and is no text of lines cannot be read, and is tried again the next time.

    Args:
        path: below the project's root where it is relative.
        changed: what happens when a file is no longer what was taken of it: an error, or all files are read anew.
        removed: what happens when a file is gone: an error, its rows are kept, or all files are read anew.
        every: how long the wheel waits before it looks again.
        as_files: keep the files of a folder as the files that they are, instead of reading rows from them.

    Raises:
        ProjectError: files that are kept as files cannot stay where they were removed.
    """
    if as_files:
        if removed == "keep":
            raise ProjectError(
                f'the files of {path} cannot be kept with removed="keep"',
                cause="a version of files is the folder as it is",
                cure='declare removed="replace": former versions have the removed files',
            )
        return FolderSource(str(path), changed, removed, duration(every))
    return FilesSource(str(path), changed, removed, duration(every))
