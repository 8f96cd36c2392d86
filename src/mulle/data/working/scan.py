"""Walking a folder: its files with what the system says of them, and its subfolders, the deepest first."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mulle.data.working.index import Stamp, stamp
from mulle.errors import DataError
from mulle.store.files import explained
from mulle.store.trees import check_loop, refuse_odd

PREFIX = b".mulle-"
"""Files whose names begin so are ours, being written."""
_LEFTOVER = re.compile(rb"\.mulle-(\d+)-[0-9a-f]+")
_SKIPPED = {b".git", b".mulle"}


class Found(NamedTuple):
    """A directory: its path below the root (empty: the root), its files and subfolders, sorted by name.

    `leftovers` are names of what a checkout writes, or left when it was killed.
    """

    path: bytes
    files: list[tuple[bytes, Stamp]]
    folders: list[bytes]
    leftovers: list[bytes]


def join(folder: bytes, name: bytes) -> bytes:
    """A path below the root."""
    return folder + b"/" + name if folder else name


def walk(root: Path) -> Iterator[Found]:
    """Every directory of a working copy, each after those in it. A file is the only one of its directory.

    Links are followed. `.git` and `.mulle` are left out.

    Raises:
        DataError: there is nothing at `root`.
        StoreError: a link leads nowhere or back, or something is neither file nor folder.
    """
    try:
        status = root.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is nothing at {root}", cause="the path does not exist", cure="check the path") from None
    with explained(f"reading {root}", root):
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(os.fsencode(root), b"", (status,))
        else:
            yield Found(b"", [(os.fsencode(root.name), stamp(status))], [], [])


def _walk(folder: bytes, path: bytes, above: tuple[os.stat_result, ...]) -> Iterator[Found]:
    files: list[tuple[bytes, Stamp]] = []
    folders: list[bytes] = []
    leftovers: list[bytes] = []
    linked: set[bytes] = set()
    with os.scandir(folder) as entries:
        for each in entries:
            if each.name.startswith(PREFIX):
                leftovers.append(each.name)
            elif each.is_file():
                files.append((each.name, stamp(each.stat())))
            elif each.is_dir():
                if each.name not in _SKIPPED:
                    folders.append(each.name)
                if each.is_symlink():
                    linked.add(each.name)
            elif os.path.lexists(each.path):  # else it vanished meanwhile
                raise refuse_odd(Path(os.fsdecode(each.path)))
    files.sort()
    folders.sort()
    for name in folders:
        inner = folder + b"/" + name
        if name in linked:
            check_loop(Path(os.fsdecode(inner)), above)
        yield from _walk(inner, join(path, name), (*above, Path(os.fsdecode(inner)).stat()))
    yield Found(path, files, folders, leftovers)


def sweep(folder: Path, names: Iterable[bytes]) -> None:
    """Delete what a checkout left in a folder that was killed."""
    for name in names:
        match = _LEFTOVER.fullmatch(name)
        if match and not Path(f"/proc/{int(match[1])}").exists():
            path = folder / os.fsdecode(name)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
