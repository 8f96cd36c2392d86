"""Folders as dicts: what the tests of working copies write, and read back."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from mulle.data.working.copies import Asked, Copies
from mulle.data.working.model import CheckedOut
from mulle.types import Digest

File = tuple[bytes, bool]
Files = dict[bytes, File]
NAMES = [b"a", b"b", b"c.txt", b"\xff\xfe", "물레".encode(), b"new\nline", b"-f", b" "]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)


def without_conflicts(files: Files) -> Files:
    """Less those files that lie where a folder must be."""
    folders = {path[:at] for path in files for at in range(len(path)) if path[at : at + 1] == b"/"}
    return {path: file for path, file in files.items() if path not in folders}


folders = st.dictionaries(paths, st.tuples(st.binary(max_size=3), st.booleans()), max_size=8).map(without_conflicts)


def read(folder: Path) -> Files:
    """All files below a folder."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            found[os.fsencode(path.relative_to(folder))] = (path.read_bytes(), executable)
    return found


def put(folder: Path, name: bytes, file: File) -> None:
    """Write one file, in place."""
    path = folder / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file[0])
    path.chmod(0o755 if file[1] else 0o644)


def write(folder: Path, files: Files) -> Path:
    """Make a folder hold exactly these files."""
    folder.mkdir(exist_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            with suppress(OSError):  # it holds files that stay
                path.rmdir()
        elif os.fsencode(path.relative_to(folder)) not in files:
            path.unlink()
    for name, file in files.items():
        put(folder, name, file)
    return folder


def committed(copies: Copies, folder: Path, number: int = 1) -> Digest:
    """Stage a folder and call it a version."""
    tree = copies.stage("d", folder).tree
    copies.committed("d", folder, number, tree)
    return tree


def checkout(
    copies: Copies, tree: Digest, folder: Path, number: int = 1, *, force: bool = False, link: bool = False
) -> CheckedOut:
    """Check a tree out as a version."""
    return copies.checkout(Asked(f"d@{number}", "d", number, tree, force=force, link=link), folder)
