"""Keeping data out of git: a line in the `.gitignore` beside it."""

from __future__ import annotations

from pathlib import Path


def in_git(path: Path) -> bool:
    """Whether a path is in a git repository."""
    return any((folder / ".git").exists() for folder in path.resolve().parents)


def ignore(path: Path) -> bool:
    """Have git ignore a file or folder, where it is in a git repository; whether a line was added."""
    if not in_git(path):
        return False
    beside = path.parent / ".gitignore"
    lines = beside.read_text("utf-8").splitlines() if beside.is_file() else []
    line = "/" + _escaped(path.name)
    if line in lines:
        return False
    beside.write_text("\n".join([*lines, line, ""]), "utf-8")
    return True


def _escaped(name: str) -> str:
    for mark in "\\*?[":
        name = name.replace(mark, "\\" + mark)
    return name[:-1] + "\\ " if name.endswith(" ") else name
