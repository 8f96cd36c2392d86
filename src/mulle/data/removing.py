"""Removing versions and datasets: their references go, the ledger and the place in the history stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from mulle.data import ancestry, refs, resolving, versions
from mulle.data.affected import Live, affected
from mulle.data.model import Removed, Version
from mulle.data.refs import MAIN
from mulle.data.tables import (
    branch,
    dataset,
    dataset_version,
    partial_version,
    profile_cache,
    removed_version,
    source_cursor,
    source_piece,
    source_state,
    tag,
)
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.catalog import Tx

_ITS_OWN = (branch, tag, source_cursor, source_state, source_piece)
"""Tables with what belongs to a dataset as a whole."""


def remove(tx: Tx, ref: str, live: Live, *, force: bool) -> Removed:
    """Remove `NAME`, with all its versions, or the one version `NAME@VERSION`.

    The objects stay until `gc` finds that nothing names them. With `force`, what needs the version loses it: a branch
    goes back to the newest version before it, a tag is let go.

    Raises:
        DataError: a branch, tag, model or deployment needs it; says which. Or it is all that main has.
    """
    name, at = refs.split(ref)
    if not at:
        versions.head(tx, name)
        return _remove_dataset(tx, name, live, force=force)
    version = resolving.resolve(tx, ref)
    heads = [each for each, number in versions.branches(tx, name).items() if number == version.number]
    tags = [each for each, number in versions.tags_of(tx, name).items() if number == version.number]
    if not force:
        _refuse_needed(tx, version.ref, [version], {"branch": heads, "tag": tags}, live)
    event = tx.event(f"dataset:{version.ref}", {"removed": [version.number], "id": version.id}, verb="data.rm")
    for each in heads:
        _step_back(tx, version, each)
    for each in tags:
        versions.unpoint_tag(tx, name, each)
    _forget(tx, [version], event)
    return Removed(dataset=name, versions=[version.number], branches=heads, tags=tags, event=event)


def _remove_dataset(tx: Tx, name: str, live: Live, *, force: bool) -> Removed:
    found = versions.history(tx, name)
    heads, tags = list(versions.branches(tx, name)), list(versions.tags_of(tx, name))
    if not force:
        _refuse_needed(tx, name, found, {"branch": [each for each in heads if each != MAIN], "tag": tags}, live)
    numbers = [version.number for version in reversed(found)]
    event = tx.event(f"dataset:{name}", {"removed": numbers, "branches": heads, "tags": tags}, verb="data.rm")
    _forget(tx, found, event)
    for table in _ITS_OWN:
        tx.execute(delete(table).where(table.c.dataset == name))
    tx.execute(delete(dataset).where(dataset.c.name == name))
    return Removed(dataset=name, versions=numbers, branches=heads, tags=tags, event=event)


def _refuse_needed(tx: Tx, what: str, found: Sequence[Version], refs: Mapping[str, Sequence[str]], live: Live) -> None:
    taught = affected(tx, found, live)
    named = {**refs, "model": taught.models, "deployment": taught.deployments}
    needing = [f"{kind} {each}" for kind, names in named.items() for each in names]
    if needing:
        raise DataError(
            f"{what} is needed",
            cause="by " + ", ".join(needing),
            cure=f"keep it, or remove it all the same: mulle data rm {what} --force --reason WHY",
        )


def _step_back(tx: Tx, version: Version, head: str) -> None:
    """Point a branch whose head goes at the newest version before it; a branch with nothing before it goes too."""
    there = {each.number for each in versions.history(tx, version.dataset)} - {version.number}
    line = ancestry.line(versions.graph(tx, version.dataset), version.number)
    before = next((number for number in line if number in there), None)
    if before is not None:
        versions.point(tx, version.dataset, before, head)
    elif head != MAIN:
        versions.unpoint(tx, version.dataset, head)
    else:
        raise DataError(
            f"{version.ref} is all that main has",
            cause="a dataset without a version is none",
            cure=f"remove the dataset: mulle data rm {version.dataset} --force --reason WHY",
        )


def _forget(tx: Tx, found: Sequence[Version], event: str) -> None:
    """Move the rows to those of removed versions: they name no object any more, and no number is given out again."""
    kept = [
        {name: getattr(each, name) for name in ("dataset", "number", "id", "parent", "merged")}
        | {"at": tx.now, "event": event}
        for each in found
    ]
    tx.execute(insert(removed_version), kept)
    for each in found:
        for table in (dataset_version, partial_version):
            tx.execute(delete(table).where(table.c.dataset == each.dataset, table.c.number == each.number))
        tx.execute(delete(profile_cache).where(profile_cache.c.subject == each.digest))
