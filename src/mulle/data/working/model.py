"""The frozen records of working copies."""

from __future__ import annotations

from typing import Literal

import msgspec

from mulle.types import Digest

EXAMPLES = 10


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """The first few paths of each kind; bytes that are not UTF-8 as backslash escapes."""

    added: list[str] = []
    removed: list[str] = []
    changed: list[str] = []


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between a version and a working copy of it, in files. `version` is None where there is none yet."""

    dataset: str
    path: str
    version: int | None
    clean: bool
    added: int
    removed: int
    changed: int
    examples: Examples


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A working copy whose files are all in the store: the next commit makes a version of them at once.

    `added`, `removed` and `changed` count files against `version`, the one that the copy comes from (None: none).
    """

    dataset: str
    path: str
    tree: Digest
    files: int
    bytes: int
    version: int | None
    added: int
    removed: int
    changed: int


class CheckedOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkout did: files written, files removed, and those that were right already."""

    ref: str
    path: str
    kind: Literal["table", "files"]
    written: int
    removed: int
    unchanged: int
