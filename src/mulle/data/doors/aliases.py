"""Other tools' names for content that is here: an md5 of DVC, a sha256 of git-lfs.

An alias keeps nothing alive: it says what a content's digest is, not that the object is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from mulle.data.tables import content_alias
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.data.model import VersionDetail

Alias = tuple[str, str]
"""The algorithm and what it gave: ("md5", "9e10…"), ("sha256", "4d7a…")."""
_MANY = 500
_KEEP = insert(content_alias).on_conflict_do_nothing()


def keep(tx: Tx, found: Mapping[Alias, Digest]) -> None:
    """Remember what aliases stand for; those that are known stay as they are."""
    rows = [
        {"algorithm": algorithm, "alias": alias, "content": digest.removeprefix("b3:")}
        for (algorithm, alias), digest in found.items()
    ]
    if rows:
        tx.execute(_KEEP, rows)


def known(tx: Tx, algorithm: str, wanted: Iterable[str]) -> dict[str, Digest]:
    """The digests that aliases stand for, those that are known."""
    names = list(wanted)
    found: dict[str, Digest] = {}
    for start in range(0, len(names), _MANY):
        which = content_alias.c.alias.in_(names[start : start + _MANY])
        rows = tx.execute(select(content_alias).where(content_alias.c.algorithm == algorithm, which))
        found |= {row.alias: Digest(f"b3:{row.content}") for row in rows}
    return found


def names(tx: Tx, digests: Iterable[str]) -> dict[str, dict[str, str]]:
    """The aliases of contents: by digest, what each algorithm gave."""
    wanted = [digest.removeprefix("b3:") for digest in digests]
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(wanted), _MANY):
        which = content_alias.c.content.in_(wanted[start : start + _MANY])
        for row in tx.execute(select(content_alias).where(which).order_by(content_alias.c.alias)):
            found.setdefault(f"b3:{row.content}", {})[row.algorithm] = row.alias
    return found


def told(tx: Tx, detail: VersionDetail) -> VersionDetail:
    """The version of a tree with the aliases of its files and of itself."""
    if tx.scalar(select(content_alias.c.alias).limit(1)) is None:
        return detail
    found = names(tx, {part.digest for part in detail.parts} | {detail.version.logical})
    parts = [msgspec.structs.replace(part, aliases=found.get(part.digest, {})) for part in detail.parts]
    return msgspec.structs.replace(detail, parts=parts, aliases=found.get(detail.version.logical, {}))
