"""How a version is written: `NAME@VERSION`, by number, digest, tag, branch, HEAD, HEAD~n or instant. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mulle.errors import UsageError
from mulle.types import instant

MAIN = "main"
HEAD = "HEAD"
GRAMMAR = "a number, a digest's first six digits, a tag, a branch, HEAD, HEAD~1 or an instant"

Means = Literal["head", "number", "digest", "name", "instant"]
_REFERENCE = re.compile(r"^(?:dataset:)?(?P<name>[^@\s]+?)(?:@(?P<at>.+))?$")
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*?"
_NAMED = re.compile(rf"^(?P<name>{_PART}(?:/{_PART})*?)(?:~(?P<back>\d*))?$")
_DIGEST = re.compile(r"^b3:[0-9a-f]*$|^[0-9a-f]{6,64}$")
_DATE = re.compile(r"^\d{4}-?\d{2}-?\d{2}([T ].*)?$")


@dataclass(frozen=True)
class At:
    """What stands after the @, parsed: what it means, its text, and how many first parents to go back from there."""

    means: Means
    text: str
    back: int = 0

    @property
    def instant(self) -> datetime:
        """The instant that it names."""
        return instant(self.text)


def split(ref: str) -> tuple[str, str]:
    """The dataset's name and what stands after the @, empty where nothing does.

    Raises:
        UsageError: there is no name, or nothing after the @.
    """
    match = _REFERENCE.match(ref.strip())
    if match is None:
        raise UsageError(
            f"'{ref}' names no version", cause=f"a version is NAME or NAME@{GRAMMAR}", cure="mulle data list"
        )
    return match["name"], match["at"] or ""


def parse(at: str) -> At:
    """What the text after the @ means; a name may still be unknown, and all digits may also begin a digest.

    Raises:
        UsageError: it is none of the forms.
    """
    if at in ("", HEAD):
        return At("head", HEAD)
    if at.isdigit():
        return At("number", at)
    if _DIGEST.match(at):
        return At("digest", at.removeprefix("b3:"))
    if _is_instant(at):
        return At("instant", at)
    if match := _NAMED.match(at):
        back = 0 if match["back"] is None else int(match["back"] or 1)
        return At("head" if match["name"] == HEAD else "name", match["name"], back)
    raise UsageError(f"'{at}' is no version", cause=f"after @ stands {GRAMMAR}", cure="mulle data log NAME")


def require_dataset(name: str) -> None:
    """Refuse what cannot name a dataset.

    Raises:
        UsageError: it is empty, begins with a dot or dash, or has a space, @, : or /.
    """
    if not name or name[0] in ".-" or any(mark in "@:/\\\0" or mark.isspace() for mark in name):
        raise UsageError(
            f"'{name}' cannot name a dataset",
            cause="a name is not empty, does not begin with . or -, and has no space, @, : or /",
            cure="choose another, as flights or flights_2013",
        )


def require_name(kind: Literal["branch", "tag"], name: str) -> None:
    """Refuse what cannot name a branch or a tag: what could be read as another form of a version.

    Raises:
        UsageError: says what it would be read as.
    """
    read_as = ""
    try:
        found = parse(name)
        read_as = {"head": "the head", "number": "a number", "digest": "a digest", "instant": "an instant"}.get(
            found.means, f"{found.back} before a name" if "~" in name else ""
        )
    except UsageError:
        read_as = "nothing: it has letters, digits, ., _, - and /, and each part begins with a letter or digit"
    if read_as or not name:
        raise UsageError(
            f"'{name}' cannot name a {kind}",
            cause=f"NAME@{name} would be read as {read_as}",
            cure=f"choose another, as {'try-2' if kind == 'branch' else 'v1.0'}",
        )


def _is_instant(text: str) -> bool:
    if not _DATE.match(text):
        return False
    try:
        instant(text)
    except UsageError:
        return False
    return True
