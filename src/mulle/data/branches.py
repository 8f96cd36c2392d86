"""Branches and tags: made, moved forward, merged and let go. Each change is one event, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mulle.data import ancestry, refs, resolving, versions
from mulle.data.hooks import Change
from mulle.data.manifest import FilesManifest, Manifest, encode, load, of_tree
from mulle.data.merging import RowConflict, merge_tables
from mulle.data.model import Merge, Ref, Version
from mulle.data.refs import MAIN
from mulle.data.treemerging import FileConflict, merge_trees
from mulle.errors import DataError, UsageError, unknown
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.data.publishing import Publisher
    from mulle.store import ObjectStore
    from mulle.types import Digest

Kind: TypeAlias = Literal["branch", "tag"]
Require: TypeAlias = "Callable[[str, Digest, Change], None]"
TOLD = 5
"""Conflicts that an error's text tells; programs get more of them."""


def change(catalog: Catalog, dataset: str, kind: Kind, name: str, at: str, *, delete: bool) -> list[Ref]:
    """Make a branch or tag, delete it, or list them all where no name is given; gives those that it was about."""
    if not name:
        with catalog.read() as tx:
            return listed(tx, dataset, kind)
    with catalog.write() as tx:
        if delete:
            return [delete_branch(tx, dataset, name) if kind == "branch" else delete_tag(tx, dataset, name)]
        return [create_branch(tx, dataset, name, at) if kind == "branch" else create_tag(tx, dataset, name, at)]


def reference(dataset: str, at: str) -> str:
    """The whole reference from one that may leave out the dataset's name; main's head where it is empty."""
    return at if "@" in at else f"{dataset}@{at or MAIN}"


def listed(tx: Tx, name: str, kind: Kind) -> list[Ref]:
    """The branches or the tags of a dataset, by name; main first."""
    versions.head(tx, name)
    found = versions.branches(tx, name) if kind == "branch" else versions.tags_of(tx, name)
    return [_ref(name, each, kind, number) for each, number in found.items()]


def _ref(dataset: str, name: str, kind: Kind, number: int) -> Ref:
    return Ref(
        dataset=dataset,
        name=name,
        kind=kind,
        number=number,
        version=f"{dataset}@{number}",
    )


def create_branch(tx: Tx, name: str, branch: str, at: str) -> Ref:
    """A new branch at a version, main's head by default.

    Raises:
        UsageError: the name is taken, or could be read as another form of a version.
    """
    version = _require_free(tx, name, "branch", branch, at)
    versions.point(tx, name, version.number, branch)
    tx.event(f"dataset:{name}", {"branch": branch, "number": version.number, "id": version.id}, verb="data.branch")
    return _ref(name, branch, "branch", version.number)


def create_tag(tx: Tx, name: str, tag: str, at: str) -> Ref:
    """A new tag at a version, main's head by default. A tag does not move: delete it to make it anew.

    Raises:
        UsageError: the name is taken, or could be read as another form of a version.
    """
    version = _require_free(tx, name, "tag", tag, at)
    told = {"tag": tag, "number": version.number, "id": version.id}
    event = tx.event(f"dataset:{version.ref}", told, verb="data.tag")
    versions.point_tag(tx, name, tag, version.number, event)
    return _ref(name, tag, "tag", version.number)


def _require_free(tx: Tx, name: str, kind: Kind, wanted: str, at: str) -> Version:
    """The version that the new name is for."""
    refs.require_name(kind, wanted)
    version = resolving.resolve(tx, reference(name, at))
    if version.dataset != name:
        raise UsageError(f"{at} is of another dataset", cause=f"{kind} is for '{name}'", cure="give a version of it")
    for taken, found in (("branch", versions.branches(tx, name)), ("tag", versions.tags_of(tx, name))):
        if wanted in found:
            raise UsageError(
                f"'{name}' has a {taken} '{wanted}' already",
                cause=f"it points at {name}@{found[wanted]}",
                cure=f"choose another name, or let go of it: mulle data {taken} {name} {wanted} --delete",
            )
    return version


def delete_branch(tx: Tx, name: str, branch: str) -> Ref:
    """Let go of a branch; its versions stay, and the event tells where it pointed.

    Raises:
        UsageError: it is main.
        UnknownNameError: there is no such branch.
    """
    if branch == MAIN:
        raise UsageError(
            f"the branch main of '{name}' cannot be deleted",
            cause="it is what the name of the dataset alone means",
            cure=f"mulle data rm {name}",
        )
    number = _pointed(tx, name, "branch", branch)
    versions.unpoint(tx, name, branch)
    tx.event(f"dataset:{name}", {"branch": branch, "deleted": True, "number": number}, verb="data.branch")
    return _ref(name, branch, "branch", number)


def delete_tag(tx: Tx, name: str, tag: str) -> Ref:
    """Let go of a tag; the event tells where it pointed."""
    number = _pointed(tx, name, "tag", tag)
    versions.unpoint_tag(tx, name, tag)
    tx.event(f"dataset:{name}@{number}", {"tag": tag, "deleted": True, "number": number}, verb="data.tag")
    return _ref(name, tag, "tag", number)


def _pointed(tx: Tx, name: str, kind: Kind, wanted: str) -> int:
    versions.head(tx, name)
    found = versions.branches(tx, name) if kind == "branch" else versions.tags_of(tx, name)
    if wanted not in found:
        raise unknown(kind, wanted, found, cure=f"mulle data {kind} {name}")
    return found[wanted]


@dataclass(frozen=True)
class Meeting:
    """Two lines that are to become one: their newest versions and the newest that both came from."""

    ours: Version
    theirs: Version
    common: Version | None
    result: str
    """`up to date`, `fast-forward` or `merged`."""


def meeting(tx: Tx, name: str, source: str, into: str) -> Meeting:
    """How `source` (any version) and the branch `into` lie to each other.

    Raises:
        UnknownNameError: there is no such dataset, branch or version.
        DataError: what both came from was removed.
    """
    ours = versions.head(tx, name, into)
    theirs = resolving.resolve(tx, reference(name, source))
    if theirs.dataset != name:
        raise UsageError(f"{theirs.ref} is of another dataset", cause="versions of one dataset are merged", cure=name)
    graph = versions.graph(tx, name)
    number = ancestry.common_ancestor(graph, ours.number, theirs.number)
    if number == theirs.number:
        return Meeting(ours, theirs, theirs, "up to date")
    if number == ours.number:
        return Meeting(ours, theirs, ours, "fast-forward")
    return Meeting(ours, theirs, None if number is None else versions.numbered(tx, name, number), "merged")


def forward(catalog: Catalog, found: Meeting, into: str, source: str) -> Merge | None:
    """Move the branch to their version; None when it no longer stands where it stood."""
    name = found.ours.dataset
    with catalog.write() as tx:
        if versions.head(tx, name, into).number != found.ours.number:
            return None
        versions.point(tx, name, found.theirs.number, into)
        told = {"into": into, "from": found.ours.number, "number": found.theirs.number, "id": found.theirs.id}
        tx.event(f"dataset:{found.theirs.ref}", told, verb="data.merge")
    return Merge(result="fast-forward", version=found.theirs, into=into, source=source)


class MergeConflictError(DataError):
    """Two lines changed the same thing differently. `conflicts` has each: its key or path, and what both made of it."""

    def __init__(self, found: Meeting, conflicts: Sequence[Any], told: Sequence[str], count: int) -> None:
        super().__init__(
            f"{found.theirs.ref} cannot be merged into {found.ours.ref}: both changed the same",
            cause="; ".join(told) + (f"; … ({count} in all)" if count > len(told) else ""),
            cure="settle them on one of the branches with a commit that both agree with, and merge again",
        )
        self.conflicts = list(conflicts)
        self.details = {"conflicts": self.conflicts}


@dataclass(frozen=True)
class Wish:
    """What is to be merged into which branch of a dataset."""

    name: str
    source: str
    into: str = MAIN
    message: str = ""


@leasing(lambda publisher, *_: publisher.store)
def merge(publisher: Publisher, wish: Wish, require: Require) -> Merge:
    """See `DataService.merge`; begins again when the branch moves meanwhile."""
    name, source, into = wish.name, wish.source, wish.into
    while True:
        with publisher.catalog.read() as tx:
            found = meeting(tx, name, source, into)
        if found.result == "up to date":
            return Merge(result="up to date", version=found.ours, into=into, source=source)
        message = wish.message or f"merge {source}"
        change = Change(action="merge", dataset=name, branch=into, message=message)
        if found.result == "fast-forward":
            require(name, found.theirs.digest, change)
            done = forward(publisher.catalog, found, into, source)
        else:
            made = joined(publisher.store, found)
            digest = publisher.store.put(encode(made))
            require(name, digest, change)
            publisher.store.flush()
            done = _publish(publisher.catalog, found, wish, versions.New(
                name, made, digest, found.ours, message, _later(found.ours.watermark, found.theirs.watermark),
                {"from": found.theirs.number}, into, found.theirs,
            ))  # fmt: skip
        if done is not None:
            return done


def _publish(catalog: Catalog, found: Meeting, wish: Wish, new: versions.New) -> Merge | None:
    """Add the merged version; None when the branch no longer stands where it stood."""
    with catalog.write() as tx:
        if versions.head(tx, new.name, new.branch).number != found.ours.number:
            return None
        return Merge(result="merged", version=versions.publish(tx, new), into=wish.into, source=wish.source)


def joined(store: ObjectStore, found: Meeting) -> Manifest | FilesManifest:
    """What comes out of both lines; its objects are stored.

    Raises:
        MergeConflictError: both changed the same differently.
    """
    ours, theirs = load(store, found.ours.digest), load(store, found.theirs.digest)
    base = None if found.common is None else load(store, found.common.digest)
    if isinstance(ours, FilesManifest) and isinstance(theirs, FilesManifest):
        former = base.tree if isinstance(base, FilesManifest) else None
        tree, in_files = merge_trees(store, former, ours.tree, theirs.tree)
        _refuse(found, in_files, len(in_files))
        return of_tree(store, tree)
    assert isinstance(ours, Manifest)  # all versions of a dataset are of one kind
    assert isinstance(theirs, Manifest)
    made, in_rows, count = merge_tables(store, base if isinstance(base, Manifest) else None, ours, theirs)
    _refuse(found, in_rows, count)
    return made


def _refuse(found: Meeting, conflicts: Sequence[FileConflict | RowConflict], count: int) -> None:
    if conflicts:
        raise MergeConflictError(found, conflicts, [each.told() for each in conflicts[:TOLD]], count)


def _later(a: datetime | None, b: datetime | None) -> datetime | None:
    return max(a, b) if a is not None and b is not None else a or b
