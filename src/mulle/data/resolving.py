"""From what people write to a version, and a dataset's history as it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import or_, select

from mulle.data import ancestry, refs, versions
from mulle.data.model import Logged, Version
from mulle.data.tables import dataset_version
from mulle.errors import DataError, unknown

if TYPE_CHECKING:
    from mulle.catalog import Tx

_PREFIX = 6
"""Digits of a digest that are enough to be read as one."""
_LONGEST_NUMBER = 18
"""More digits than this fit no integer of the database."""


def logged(tx: Tx, ref: str) -> list[Logged]:
    """All versions of a dataset; of `NAME@VERSION`, those that went into that version. The newest first."""
    name, at = refs.split(ref)
    found = versions.history(tx, name)
    if at:
        chosen = ancestry.ancestors(versions.graph(tx, name), resolve(tx, ref).number)
        found = [version for version in found if version.number in chosen]
    heads, tags = versions.branches(tx, name), versions.tags_of(tx, name)
    return [
        Logged(
            **msgspec.structs.asdict(version),
            branches=[each for each, number in heads.items() if number == version.number],
            tags=[each for each, number in tags.items() if number == version.number],
        )
        for version in found
    ]


def resolve(tx: Tx, ref: str) -> Version:
    """The version that `NAME` or `NAME@VERSION` means; see `mulle.data.refs`.

    Raises:
        UnknownNameError: there is no such dataset, branch or tag.
        DataError: there is no such version.
    """
    name, text = refs.split(ref)
    at = refs.parse(text)
    if at.means == "number":
        return _by_number(tx, name, at.text)
    if at.means == "digest":
        return _by_digest(tx, name, at.text)
    if at.means == "instant":
        return _by_instant(tx, name, at)
    if at.means == "head":
        return _back(tx, versions.head(tx, name), at)
    return _back(tx, _by_name(tx, name, at.text), at)


def _by_number(tx: Tx, name: str, digits: str) -> Version:
    """The version of that number; where there is none, the one whose digest begins with these digits."""
    number = int(digits) if len(digits) <= _LONGEST_NUMBER else -1
    row = versions.first(tx, versions.NUMBERED, name=name, number=number)
    if row is not None:
        return versions.version_of(row)
    if len(digits) >= _PREFIX and (alike := _with_digest(tx, name, digits)):
        return _the_one(name, digits, alike)
    return versions.numbered(tx, name, number)


def _by_digest(tx: Tx, name: str, prefix: str) -> Version:
    return _the_one(name, prefix, _with_digest(tx, name, prefix))


def _with_digest(tx: Tx, name: str, prefix: str) -> list[Version]:
    named = (dataset_version.c[column].startswith(f"b3:{prefix}") for column in ("id", "digest", "logical"))
    chosen = select(dataset_version).where(dataset_version.c.dataset == name, or_(*named))
    found = [versions.version_of(row) for row in tx.execute(chosen.order_by(dataset_version.c.number.desc()))]
    return found or [] if versions.exists(tx, name) else [versions.head(tx, name)]


def _the_one(name: str, prefix: str, found: Sequence[Version]) -> Version:
    """The newest of the versions, where all have the same content or the digits are one commit's."""
    mine = [version for version in found if version.id.startswith(f"b3:{prefix}")]
    if len(mine) == 1 and prefix:
        return mine[0]
    if len({version.logical for version in found}) == 1:
        return found[0]
    cause = "no version has that digest" if not found else f"{len(found)} versions begin so"
    raise DataError(f"'{name}@b3:{prefix}' is not one version", cause=cause, cure=f"mulle data log {name}")


def _by_instant(tx: Tx, name: str, at: refs.At) -> Version:
    """The newest version of main's line that was committed no later."""
    first = versions.head(tx, name)
    for number in versions.numbers_of(tx, name):
        row = versions.first(tx, versions.NUMBERED, name=name, number=number)
        if row is not None:
            first = versions.version_of(row)
            if first.at <= at.instant:
                return first
    raise DataError(
        f"'{name}' had no version at {at.instant:%Y-%m-%dT%H:%M:%SZ}",
        cause=f"{first.ref}, its first, is of {first.at:%Y-%m-%dT%H:%M:%SZ}",
        cure=f"mulle data log {name}",
    )


def _by_name(tx: Tx, name: str, text: str) -> Version:
    heads, tags = versions.branches(tx, name), versions.tags_of(tx, name)
    if text in heads:
        return versions.numbered(tx, name, heads[text])
    if text in tags:
        return versions.numbered(tx, name, tags[text])
    versions.head(tx, name)
    raise unknown("branch or tag", text, [*heads, *tags], cure=f"mulle data log {name}")


def _back(tx: Tx, version: Version, at: refs.At) -> Version:
    for _ in range(at.back):
        if version.parent is None:
            raise DataError(
                f"{version.dataset}@{at.text}~{at.back} is before the first version",
                cause=f"{version.ref} has no parent",
                cure=f"mulle data log {version.dataset}",
            )
        version = versions.numbered(tx, version.dataset, version.parent)
    return version
