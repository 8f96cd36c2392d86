"""Where a dataset's records lie on a remote. Pure.

    datasets/<name>/commits/<hex of the id>.json     a commit; never changed
    datasets/<name>/refs/<branch>/<8 digits>.json    the places where a branch stood, the last one is its head
    datasets/<name>/tags/<tag>.json                  a tag; never changed

Each is created once and never written again. Characters of names other than letters, digits, `.`, `_` and `-` are
written as `=` and the two hexadecimal digits of each of their UTF-8 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mulle.types import Digest

ROOT = "datasets"
_PLAIN = re.compile(rb"[A-Za-z0-9._-]")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")
_REF = re.compile(r"^refs/([^/]+)/(\d{8})\.json$")
_COMMIT = re.compile(r"^commits/([0-9a-f]{64})\.json$")
_TAG = re.compile(r"^tags/([^/]+)\.json$")


@dataclass(frozen=True)
class Found:
    """What keys tell of a dataset: its commits, the last place of each branch, and its tags."""

    commits: set[Digest] = field(default_factory=set)
    branches: dict[str, int] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)


def escaped(name: str) -> str:
    """A name as a part of a key."""
    parts = (bytes([byte]) for byte in name.encode())
    return "".join(part.decode() if _PLAIN.match(part) else f"={part[0]:02X}" for part in parts)


def unescaped(part: str) -> str:
    """The name that a part of a key stands for."""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), part.encode()).decode("utf-8", "replace")


def folder(dataset: str) -> str:
    """The prefix of all of a dataset's records."""
    return f"{ROOT}/{escaped(dataset)}"


def commit_key(dataset: str, digest: Digest) -> str:
    return f"{folder(dataset)}/commits/{digest[3:]}.json"


def branch_key(dataset: str, branch: str, place: int) -> str:
    return f"{folder(dataset)}/refs/{escaped(branch)}/{place:08d}.json"


def tag_key(dataset: str, tag: str) -> str:
    return f"{folder(dataset)}/tags/{escaped(tag)}.json"


def read(dataset: str, keys: Iterable[str]) -> Found:
    """What the keys below a dataset's folder tell; keys of other programs are passed over."""
    found = Found()
    for key in keys:
        rest = key.removeprefix(f"{folder(dataset)}/")
        if match := _COMMIT.match(rest):
            found.commits.add(Digest(f"b3:{match[1]}"))
        elif match := _REF.match(rest):
            name = unescaped(match[1])
            found.branches[name] = max(int(match[2]), found.branches.get(name, 0))
        elif match := _TAG.match(rest):
            found.tags.add(unescaped(match[1]))
    return found
