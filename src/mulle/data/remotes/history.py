"""A dataset's history as it travels: commits out of the catalog, and commits of elsewhere into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from mulle.data import ancestry, manifest, versions
from mulle.data.commits import Commit
from mulle.data.model import Kind, Version
from mulle.data.refs import require_name
from mulle.data.tables import dataset_version, removed_version
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.store import ObjectStore
    from mulle.types import Digest

Outcome = str
NEW, SAME, FORWARD, AHEAD, DIVERGED = "new", "up to date", "fast-forward", "ahead", "diverged"


@dataclass(frozen=True)
class Local:
    """A dataset as the catalog has it: its versions and removed ones by number, and where branches and tags point."""

    versions: Mapping[int, Version]
    removed: Mapping[int, Digest]
    graph: ancestry.Graph
    branches: Mapping[str, int]
    tags: Mapping[str, int]

    @classmethod
    def read(cls, tx: Tx, name: str) -> Local:
        """What the catalog has; empty where there is no such dataset."""
        rows = tx.all(select(dataset_version).where(dataset_version.c.dataset == name))
        gone = tx.all(select(removed_version.c.number, removed_version.c.id).where(removed_version.c.dataset == name))
        return cls(
            versions={row.number: versions.version_of(row) for row in rows},
            removed={row.number: row.id for row in gone},
            graph=versions.graph(tx, name),
            branches=versions.branches(tx, name),
            tags=versions.tags_of(tx, name),
        )

    def numbers(self) -> dict[Digest, int]:
        """The numbers of the versions by id; removed ones too."""
        return {digest: number for number, digest in self.removed.items()} | {
            version.id: version.number for version in self.versions.values()
        }

    def commit(self, number: int) -> Commit:
        """A version as it travels."""
        version = self.versions[number]
        parents = [self._id(parent) for parent in (version.parent, version.merged) if parent is not None]
        return Commit(
            id=version.id,
            manifest=version.digest,
            parents=parents,
            message=version.message,
            at=version.at,
            actor=version.actor,
            branch=version.branch,
            number=number,
            watermark=version.watermark,
        )

    def commits(self, heads: Iterable[int]) -> list[Commit]:
        """The commits of everything that went into the heads, parents first; without those that were removed."""
        wanted: set[int] = set()
        for head in heads:
            wanted |= ancestry.ancestors(self.graph, head)
        return [self.commit(number) for number in ordered(self.graph, wanted & self.versions.keys())]

    def _id(self, number: int) -> Digest:
        return self.versions[number].id if number in self.versions else self.removed[number]


def ordered(graph: ancestry.Graph, numbers: set[int]) -> list[int]:
    """The numbers, each after its parents."""
    done: dict[int, None] = {}
    for start in sorted(numbers):
        stack = [start]
        while stack:
            number = stack[-1]
            waiting = [parent for parent in graph.get(number, (None, None)) if parent in numbers and parent not in done]
            if waiting:
                stack += [each for each in waiting if each is not None]
            else:
                done[stack.pop()] = None
    return list(done)


@dataclass(frozen=True)
class Taken:
    """What was taken in: the new versions, what became of each branch, the new tags."""

    added: list[Version] = field(default_factory=list)
    branches: dict[str, Outcome] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Arrival:
    """What came from a remote: commits (parents first), where branches and tags point, and the remote's name and URL.

    With `strict`, a branch that cannot move forward is an error: it is a push, seen from the other side.
    """

    dataset: str
    commits: Sequence[Commit]
    branches: Mapping[str, Digest]
    tags: Mapping[str, Digest]
    remote: str
    url: str
    strict: bool = False


def take_in(tx: Tx, store: ObjectStore, arrival: Arrival) -> Taken:
    """Add the versions that are not here, move branches forward and make the tags.

    The manifests must be here. A branch with versions of its own stays, and the other line becomes `REMOTE/BRANCH`.

    Raises:
        DataError: the dataset here is of another kind, a tag names another version, or with `strict` a branch has
            versions that the other side does not know.
    """
    for name in arrival.branches:
        require_name("branch", name)
    for name in arrival.tags:
        require_name("tag", name)
    local = Local.read(tx, arrival.dataset)
    numbers = local.numbers()
    here = {version.id for version in local.versions.values()}
    new = [commit for commit in parents_first(arrival.commits) if commit.id not in here]
    added = [_add(tx, store, arrival, commit, numbers) for commit in new]
    graph = versions.graph(tx, arrival.dataset)
    branches = {
        name: _move(tx, arrival, name, numbers[head], graph)
        for name, head in arrival.branches.items()
        if head in numbers
    }
    tags = [name for name, head in arrival.tags.items() if head in numbers and _tag(tx, arrival, name, numbers[head])]
    return Taken(added, branches, tags)


def parents_first(commits: Sequence[Commit]) -> list[Commit]:
    """The commits, each after those of its parents that are among them; otherwise by the numbers of their origin."""
    by_number = sorted(commits, key=lambda each: (each.number, each.id))
    place = {commit.id: number for number, commit in enumerate(by_number)}
    graph: dict[int, tuple[int | None, int | None]] = {}
    for number, commit in enumerate(by_number):
        first, second, *_ = [*map(place.get, commit.parents), None, None]
        graph[number] = (first, second)
    return [by_number[number] for number in ordered(graph, set(graph))]


def reached(commits: Sequence[Commit], heads: Iterable[Digest]) -> list[Commit]:
    """Those of the commits that went into the heads: what a push that came second has left there did not."""
    by_id = {commit.id: commit for commit in commits}
    found: dict[Digest, Commit] = {}
    stack = list(heads)
    while stack:
        digest = stack.pop()
        if digest in by_id and digest not in found:
            found[digest] = by_id[digest]
            stack += by_id[digest].parents
    return list(found.values())


def _add(tx: Tx, store: ObjectStore, arrival: Arrival, commit: Commit, numbers: dict[Digest, int]) -> Version:
    name = arrival.dataset
    held = manifest.load(store, commit.manifest)
    kind: Kind = "table" if isinstance(held, manifest.Manifest) else "files"
    _refuse_other_kind(tx, name, kind)
    parents = [_number_of(tx, name, parent, numbers, commit) for parent in commit.parents]
    number = _free(tx, name, commit, numbers, parents)
    numbers[commit.id] = number
    version = Version(
        dataset=name,
        number=number,
        id=commit.id,
        digest=commit.manifest,
        logical=held.logical,
        branch=commit.branch,
        parent=parents[0] if parents else None,
        merged=parents[1] if len(parents) > 1 else None,
        actor=commit.actor,
        at=commit.at,
        message=commit.message,
        kind=kind,
        rows=held.rows if isinstance(held, manifest.Manifest) else 0,
        bytes=held.bytes,
        schema=held.schema if isinstance(held, manifest.Manifest) else [],
        watermark=commit.watermark,
        event="",
    )
    facts = {"remote": arrival.url, "number": commit.number}
    version = versions.add(tx, version, held, facts, verb="data.pull")
    origin = origin_of(arrival.url, name, commit.id)
    tx.node("remote", origin, commit.manifest)
    tx.edge(f"dataset:{version.ref}", origin, "pulled from")
    return version


def origin_of(url: str, dataset: str, digest: Digest) -> str:
    """The name of a version on a remote, as a node of the lineage."""
    return f"remote:{url}#{dataset}@{digest[3:15]}"


def _free(tx: Tx, name: str, commit: Commit, numbers: dict[Digest, int], parents: Sequence[int]) -> int:
    """The number for a version: that of a removed one that comes back; else its origin's, where that is free."""
    if commit.id in numbers:
        mine = (removed_version.c.dataset == name) & (removed_version.c.number == numbers[commit.id])
        tx.execute(delete(removed_version).where(mine))
        return numbers[commit.id]
    taken = set(numbers.values())
    if commit.number not in taken and commit.number > max(parents, default=0):
        return commit.number
    return max(versions.last_number(tx, name), *taken, 0) + 1


def _number_of(tx: Tx, name: str, parent: Digest, numbers: dict[Digest, int], child: Commit) -> int:
    """A parent's number; one that was removed where it came from keeps its place in the history."""
    if parent not in numbers:
        number = max(versions.last_number(tx, name), *numbers.values(), 0) + 1
        event = tx.event(f"dataset:{name}@{number}", {"removed": [number], "id": parent}, verb="data.pull")
        row = {"dataset": name, "number": number, "id": parent, "parent": None, "merged": None}
        tx.execute(insert(removed_version), {**row, "at": child.at, "event": event})
        numbers[parent] = number
    return numbers[parent]


def _refuse_other_kind(tx: Tx, name: str, kind: str) -> None:
    before = versions.find_head(tx, name)
    if before is not None and before.kind != kind:
        raise DataError(
            f"'{name}' here is another dataset than '{name}' there",
            cause=f"{before.ref} is {before.kind}, and what comes is {kind}",
            cure=f"remove the one here (mulle data rm {name}), or commit it under another name",
        )


def _move(tx: Tx, arrival: Arrival, branch: str, head: int, graph: ancestry.Graph) -> Outcome:
    name = arrival.dataset
    here = versions.branches(tx, name).get(branch)
    if here is None:
        versions.point(tx, name, head, branch)
        _told(tx, arrival, branch, head)
        return NEW
    if here == head:
        return SAME
    if here in ancestry.ancestors(graph, head):
        versions.point(tx, name, head, branch)
        _told(tx, arrival, branch, head)
        return FORWARD
    if head in ancestry.ancestors(graph, here):
        return AHEAD
    if arrival.strict:
        raise DataError(
            f"branch '{branch}' of '{name}' has moved",
            cause="it has versions that what you pushed does not know: somebody pushed first",
            cure=f"mulle data pull {name} REMOTE, merge what is new, then push again",
        )
    other = f"{arrival.remote}/{branch}"
    versions.point(tx, name, head, other)
    _told(tx, arrival, other, head)
    return f"{DIVERGED}: {other}"


def _told(tx: Tx, arrival: Arrival, branch: str, head: int) -> None:
    told = {"branch": branch, "number": head, "remote": arrival.url}
    tx.event(f"dataset:{arrival.dataset}@{head}", told, verb="data.pull")


def _tag(tx: Tx, arrival: Arrival, tag: str, number: int) -> bool:
    """Make a tag; False where it is there already."""
    name = arrival.dataset
    here = versions.tags_of(tx, name).get(tag)
    if here == number:
        return False
    if here is not None:
        raise DataError(
            f"the tag '{tag}' of '{name}' names another version there",
            cause=f"here it is {name}@{here}, there what is {name}@{number} here; a tag does not move",
            cure=f"let go of one of them: mulle data tag {name} {tag} --delete",
        )
    told = {"tag": tag, "number": number, "remote": arrival.url}
    event = tx.event(f"dataset:{name}@{number}", told, verb="data.pull")
    versions.point_tag(tx, name, tag, number, event)
    return True
