"""A history of another tool as versions of a dataset: one for each revision that changed the content.

A version's id is that of its content, parents, message, time and author, so the same history gives the same versions in
every workspace, and taking it in again adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from mulle.data import ancestry, versions
from mulle.data.commits import commit_id
from mulle.data.manifest import FilesManifest, encode
from mulle.data.model import ImportedDataset, Version
from mulle.data.refs import MAIN, parse, require_dataset, require_name
from mulle.data.tables import dataset_version
from mulle.errors import DataError, UsageError
from mulle.hashing import TreeEntry, from_raw
from mulle.hashing.tree import of_tree_entry, put_files

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.data.doors.git import Revision, Tips
    from mulle.store import ObjectStore
    from mulle.types import Digest

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Change:
    """A revision that changed a content, and the revisions whose changes it came after: of a merge, two."""

    revision: Revision
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """Which revisions changed a content, parents before children, and the change that each revision stands at."""

    changes: tuple[Change, ...]
    stands_at: Mapping[str, str]


def lines(revisions: Sequence[Revision], identity: Callable[[Revision], T | None]) -> Lines:
    """What changed a content along a history.

    A revision without the content changes nothing: a version is made of what is there.

    Args:
        revisions: parents before children.
        identity: what a revision's content is known by; None where it is not there.
    """
    changes: list[Change] = []
    stands_at: dict[str, str] = {}
    content: dict[str, T] = {}
    for revision in revisions:
        before = list(dict.fromkeys(stands_at[parent] for parent in revision.parents if parent in stands_at))
        mine = identity(revision)
        same = [each for each in before if mine is None or content[each] == mine]
        if same:
            stands_at[revision.id] = same[0]
        elif mine is not None:
            changes.append(Change(revision, tuple(before[:2])))
            content[revision.id] = mine
            stands_at[revision.id] = revision.id
    return Lines(tuple(changes), stands_at)


@dataclass(frozen=True)
class Stored:
    """A change's content, stored: its manifest and the manifest's digest."""

    manifest: FilesManifest
    digest: Digest


def stored(store: ObjectStore, files: Iterable[TreeEntry]) -> Stored:
    """The tree of these files, stored; the files themselves are already."""
    made = put_files(map(of_tree_entry, files), store.put)
    return of_tree(store, FilesManifest(tree=from_raw(made.raw), files=made.files, bytes=made.size))


def of_tree(store: ObjectStore, tree: FilesManifest) -> Stored:
    """A manifest, stored."""
    return Stored(tree, store.put(encode(tree)))


def publish(
    catalog: Catalog,
    name: str,
    *,
    found: Lines,
    stored: Mapping[str, Stored],
    tips: Tips,
    origin: Mapping[str, str],
) -> ImportedDataset:
    """Add the versions that are not there yet and move the names, in one transaction.

    Args:
        catalog: where datasets are.
        name: the dataset.
        found: the changes.
        stored: their contents by revision; changes without one are left out, their children follow their parents.
        tips: where branches and tags point.
        origin: what each version's event says of where it came from, besides the revision.

    Raises:
        UsageError: the name cannot be a dataset's.
        DataError: the dataset has versions of its own that the history does not know, or is a table.
    """
    require_dataset(name)
    with catalog.write() as tx:
        before = versions.find_head(tx, name)
        if before is not None and before.kind != "files":
            raise DataError(
                f"dataset '{name}' cannot take files",
                cause=f"{before.ref} is a table, and all versions of a dataset are of one kind",
                cure="import under another name: --name NAME",
            )
        made, added = _add(tx, name, found, stored, {**origin})
        number = {revision: made[at].number for revision, at in found.stands_at.items() if at in made}
        _point(tx, name, before, number, tips)
        head = versions.find_head(tx, name)
    return ImportedDataset(
        name=name,
        head=None if head is None else head.number,
        added=[made[each].number for each in added],
        revisions={
            change.revision.id: made[change.revision.id].number
            for change in found.changes
            if change.revision.id in made
        },
        kind="files",
    )


def _add(
    tx: Tx, name: str, found: Lines, stored: Mapping[str, Stored], origin: Mapping[str, str]
) -> tuple[dict[str, Version], list[str]]:
    """The versions by revision, and the revisions whose version is new."""
    made: dict[str, Version] = {}
    added: list[str] = []
    for change in found.changes:
        revision = change.revision
        parents = [made[each] for each in change.parents if each in made]
        if revision.id not in stored:
            if parents:
                made[revision.id] = parents[0]  # what it changed is not to be had
            continue
        held = stored[revision.id]
        new = _version(name, revision, parents, held, versions.last_number(tx, name) + 1)
        row = tx.one(select(dataset_version).where(dataset_version.c.dataset == name, dataset_version.c.id == new.id))
        if row is not None:
            made[revision.id] = versions.version_of(row)
            continue
        facts = {**origin, "revision": revision.id}
        made[revision.id] = versions.add(tx, new, held.manifest, facts, verb="data.import")
        added.append(revision.id)
    return made, added


def _version(name: str, revision: Revision, parents: Sequence[Version], held: Stored, number: int) -> Version:
    ids = [each.id for each in parents]
    return Version(
        dataset=name,
        number=number,
        id=commit_id(held.digest, ids, revision.message, revision.at, revision.author),
        digest=held.digest,
        logical=held.manifest.logical,
        branch=MAIN,
        parent=parents[0].number if parents else None,
        merged=parents[1].number if len(parents) > 1 else None,
        actor=revision.author,
        at=revision.at,
        message=revision.message,
        kind="files",
        rows=0,
        bytes=held.manifest.bytes,
        schema=[],
        watermark=None,
        event="",
    )


def _point(tx: Tx, name: str, before: Version | None, number: Mapping[str, int], tips: Tips) -> None:
    if tips.main in number:
        _move(tx, name, MAIN, None if before is None else before.number, number[tips.main])
    elif before is None and number:
        versions.point(tx, name, max(number.values()))
    here = versions.branches(tx, name)
    for branch, revision in tips.branches.items():
        if revision in number and _is_name("branch", branch):
            _move(tx, name, branch, here.get(branch), number[revision])
    tags = versions.tags_of(tx, name)
    for tag, revision in tips.tags.items():
        if revision in number and tag not in tags and _is_name("tag", tag):
            event = tx.event(f"dataset:{name}", {"tag": tag, "number": number[revision]}, verb="data.import")
            versions.point_tag(tx, name, tag, number[revision], event)


def _move(tx: Tx, name: str, branch: str, before: int | None, to: int) -> None:
    """Move a branch forward; one that already has what comes in, and more, stays."""
    graph = versions.graph(tx, name)
    if before is not None and to in ancestry.ancestors(graph, before):
        return
    if before is not None and before not in ancestry.ancestors(graph, to):
        raise DataError(
            f"branch '{branch}' of dataset '{name}' has versions that the imported history does not know",
            cause=f"{name}@{before} was committed here",
            cure="import under another name: --name NAME",
        )
    versions.point(tx, name, to, branch)


def _is_name(kind: str, name: str) -> bool:
    """Whether a branch's or tag's name can be one here; a tag that reads as something else is left out."""
    try:
        require_name("tag" if kind == "tag" else "branch", name)
    except UsageError:
        return False
    return parse(name).means == "name" and name != MAIN
