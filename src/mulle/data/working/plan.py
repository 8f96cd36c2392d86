"""What a checkout has to do, and what it must not touch. Nothing is changed here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mulle.data.working.index import Index, Origin, Row
from mulle.data.working.scan import sweep
from mulle.data.working.survey import Change, Survey
from mulle.errors import DataError
from mulle.hashing.tree import Entry, shown
from mulle.store.port import ObjectStore
from mulle.store.tree import Trees
from mulle.types import Digest

_SHOWN = 5


@dataclass
class Plan:
    """Files to write and files to remove, by path.

    `settled` are files that are as they should be (None: not there) though the index does not know it; `lost` are
    those that would be overwritten although no version has them.
    """

    write: dict[bytes, Entry] = field(default_factory=dict)
    remove: set[bytes] = field(default_factory=set)
    settled: dict[bytes, Row | None] = field(default_factory=dict)
    lost: list[bytes] = field(default_factory=list)


def plan(
    store: ObjectStore,
    index: Index,
    path: Path,
    origin: Origin | None,
    target: Digest,
    *,
    processes: int | None = None,
) -> Plan:
    """Compare what is at `path`, where it comes from, and the tree that it is to become.

    Only files that differ are looked at one by one: those the index does not know, and those in nodes that the trees
    do not share.
    """
    local: dict[bytes, Change] = {}
    if path.exists():
        survey = Survey(store, index, path, keep=False, processes=processes)
        survey.run()
        local = {each.path: each for each in survey.changes}
        for folder, names in survey.leftovers:
            sweep(path / os.fsdecode(folder), names)
    else:
        index.clear()
    trees = Trees(store)
    known, wanted = index.tree, trees.root(target)
    staged = None if known is None else trees.root(known)
    committed = None if origin is None else trees.root(origin.tree)
    found = Plan()
    differing = {each.path: (each.before, each.after) for each in trees.diff(staged, wanted)}
    for name in sorted(differing.keys() | local.keys()):
        before, after = differing[name] if name in differing else (local[name].before, local[name].before)
        now = local[name].after if name in local else before
        saved = now is None or now == (None if committed is None else trees.find(committed, name))
        tracked = before is not None or (committed is not None and trees.find(committed, name) is not None)
        if _alike(now, after):
            found.settled[name] = local[name].row if name in local else None
        else:
            _decide(found, name, after, tracked=tracked, saved=saved)
    return found


def _decide(found: Plan, name: bytes, after: Entry | None, *, tracked: bool, saved: bool) -> None:
    if after is not None:
        found.write[name] = after
    elif tracked:
        found.remove.add(name)
    else:  # somebody's own file stays
        return
    if not saved:
        found.lost.append(name)


def _alike(now: Entry | None, after: Entry | None) -> bool:
    if now is None or after is None:
        return now is after
    return (now.raw, now.kind) == (after.raw, after.kind)


def refuse_losses(lost: Iterable[bytes], ref: str, path: Path) -> None:
    """Refuse to overwrite what is in no version.

    Raises:
        DataError: there is something; says which files.
    """
    names = [shown(each) for each in lost]
    if names:
        rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise DataError(
            f"checking out {ref} would overwrite changes that are in no version",
            cause=f"in {path}: {', '.join(names[:_SHOWN])}{rest}",
            cure=f"commit them first (mulle data commit {ref.partition('@')[0]} {path} -m MESSAGE), or give --force",
        )
