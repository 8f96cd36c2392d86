"""Versions, branches and tags in the catalog. Each function takes the transaction; none opens one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mulle.catalog import ledger
from mulle.data import ancestry
from mulle.data.commits import commit_id
from mulle.data.manifest import FilesManifest, Manifest
from mulle.data.model import DatasetSummary, Version
from mulle.data.refs import MAIN
from mulle.data.tables import branch, dataset, dataset_version, partial_version, removed_version, source_cursor, tag
from mulle.errors import DataError, unknown
from mulle.verbs import current

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mulle.catalog import Tx
    from mulle.types import Digest

LIST = "mulle data list"

_named = dataset_version.c.dataset == bindparam("name")
_HEAD = select(dataset_version).join(
    branch, (branch.c.dataset == dataset_version.c.dataset) & (branch.c.number == dataset_version.c.number)
)
_HEAD_OF = _HEAD.where(branch.c.dataset == bindparam("name"), branch.c.name == bindparam("branch"))
NUMBERED = select(dataset_version).where(_named, dataset_version.c.number == bindparam("number"))
_LAST = select(
    func.max(
        func.coalesce(select(func.max(dataset_version.c.number)).where(_named).scalar_subquery(), 0),
        func.coalesce(
            select(func.max(removed_version.c.number))
            .where(removed_version.c.dataset == bindparam("name"))
            .scalar_subquery(),
            0,
        ),
    )
)
_ALL = select(dataset_version).where(_named).order_by(dataset_version.c.number.desc())
_DATASET = select(dataset).where(dataset.c.name == bindparam("name"))
_CURSOR = select(source_cursor).where(source_cursor.c.dataset == bindparam("name"))
_INSERT = insert(dataset_version)


def _replacing(table: Any) -> Any:
    statement = upsert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=others)


_DATASET_TO = _replacing(dataset)
_BRANCH_TO = _replacing(branch)
_TAG_TO = _replacing(tag)
_CURSOR_TO = _replacing(source_cursor)


def version_of(row: Row[Any]) -> Version:
    fields = dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's rows
    fields["schema"] = [(name, kind) for name, kind in fields["schema"]]
    return Version(**fields)


def first(tx: Tx, statement: Any, **values: Any) -> Row[Any] | None:
    return tx.execute(statement, values).first()


def find_head(tx: Tx, name: str, on: str = MAIN) -> Version | None:
    """The version that the branch points at; None where nothing was ever committed to it."""
    row = first(tx, _HEAD_OF, name=name, branch=on)
    return None if row is None else version_of(row)


def find_until(tx: Tx, name: str, as_of: datetime) -> Version | None:
    """The newest version of main's line whose watermark is not after an instant; None where there is none."""
    table = dataset_version.c
    chosen = select(dataset_version).where(table.dataset == name, table.watermark <= as_of)
    chosen = chosen.order_by(table.number.desc())
    if not _has_side_branches(tx, name):
        row = tx.one(chosen.limit(1))
        return None if row is None else version_of(row)
    on_main = set(numbers_of(tx, name))
    return next((version_of(row) for row in tx.execute(chosen) if row.number in on_main), None)


def _has_side_branches(tx: Tx, name: str) -> bool:
    """Whether any version was committed to another branch: else every version lies on main's line."""
    ends = select(func.min(dataset_version.c.branch), func.max(dataset_version.c.branch))
    row = tx.one(ends.where(dataset_version.c.dataset == name))
    return row is not None and any(end not in (None, MAIN) for end in row)


def numbers_of(tx: Tx, name: str, on: str = MAIN) -> list[int]:
    """The numbers on a branch's line, its head first: each version's first parent follows it."""
    found = find_head(tx, name, on)
    return [] if found is None else list(ancestry.line(graph(tx, name), found.number))


def graph(tx: Tx, name: str) -> dict[int, tuple[int | None, int | None]]:
    """The parents of every version, removed ones too, by number."""
    found: dict[int, tuple[int | None, int | None]] = {}
    for table in (dataset_version, removed_version):
        chosen = select(table.c.number, table.c.parent, table.c.merged).where(table.c.dataset == name)
        found |= {row.number: (row.parent, row.merged) for row in tx.execute(chosen)}
    return found


def head(tx: Tx, name: str, on: str = MAIN) -> Version:
    """The version that the branch points at, or an error that suggests the nearest name."""
    found = find_head(tx, name, on)
    if found is not None:
        return found
    if on != MAIN and exists(tx, name):
        raise unknown("branch", on, branches(tx, name), cure=f"mulle data branch {name} {on}")
    raise unknown("dataset", name, tx.execute(select(dataset.c.name)).scalars(), cure=LIST)


def exists(tx: Tx, name: str) -> bool:
    """Whether the dataset has a version on main."""
    return find_head(tx, name) is not None


def numbered(tx: Tx, name: str, number: int) -> Version:
    """The version of that number."""
    row = first(tx, NUMBERED, name=name, number=number)
    if row is None:
        newest = head(tx, name)
        raise DataError(
            f"there is no version {name}@{number}",
            cause=_gone(tx, name, number) or f"the newest is {newest.ref}",
            cure=f"mulle data log {name}",
        )
    return version_of(row)


def _gone(tx: Tx, name: str, number: int) -> str:
    """That it was removed, where it was."""
    mine = (removed_version.c.dataset == name) & (removed_version.c.number == number)
    event = tx.scalar(select(removed_version.c.event).where(mine))
    found = None if event is None else ledger.get(tx, event)
    if found is None:
        return ""
    return f"{found.actor} removed it on {found.at:%Y-%m-%d}" + (f": {found.reason}" if found.reason else "")


def history(tx: Tx, name: str) -> list[Version]:
    """All versions, the newest first."""
    found = [version_of(row) for row in tx.execute(_ALL, {"name": name})]
    return found or [head(tx, name)]


def on_line(tx: Tx, name: str) -> list[Version]:
    """The versions on main's line that are still there, the newest first."""
    found = history(tx, name)
    if all(version.branch == MAIN for version in found):
        return found
    chosen = set(numbers_of(tx, name))
    return [version for version in found if version.number in chosen]


def branches(tx: Tx, name: str) -> dict[str, int]:
    """The branches of a dataset and the numbers that they point at: main first, then by name."""
    rows = tx.all(select(branch.c.name, branch.c.number).where(branch.c.dataset == name).order_by(branch.c.name))
    found = {row.name: row.number for row in rows}
    return {name: found[name] for name in sorted(found, key=lambda each: (each != MAIN, each))}


def tags_of(tx: Tx, name: str) -> dict[str, int]:
    """The tags of a dataset and the numbers that they point at, by name."""
    rows = tx.all(select(tag.c.name, tag.c.number).where(tag.c.dataset == name).order_by(tag.c.name))
    return {row.name: row.number for row in rows}


@dataclass(frozen=True)
class New:
    """A version that is about to be published to a branch after `parent`; of a merge, `merged` came in."""

    name: str
    manifest: Manifest | FilesManifest
    digest: Digest
    parent: Version | None
    message: str
    watermark: datetime | None
    facts: Mapping[str, Any]
    branch: str = MAIN
    merged: Version | None = None


def publish(tx: Tx, new: New) -> Version:
    """Add the version, point the branch at it, and record event and node."""
    parents = [each.id for each in (new.parent, new.merged) if each is not None]
    actor = current().actor
    made = new.manifest
    version = Version(
        dataset=new.name,
        number=last_number(tx, new.name) + 1,
        id=commit_id(new.digest, parents, new.message, tx.now, actor),
        digest=new.digest,
        logical=made.logical,
        branch=new.branch,
        parent=None if new.parent is None else new.parent.number,
        merged=None if new.merged is None else new.merged.number,
        actor=actor,
        at=tx.now,
        message=new.message,
        kind="table" if isinstance(made, Manifest) else "files",
        rows=made.rows if isinstance(made, Manifest) else 0,
        bytes=made.bytes,
        schema=made.schema if isinstance(made, Manifest) else [],
        watermark=new.watermark,
        event="",
    )
    told = "data.commit" if new.merged is None else "data.merge"
    version = add(tx, version, made, new.facts, verb=told)
    point(tx, new.name, version.number, new.branch)
    return version


def add(
    tx: Tx, version: Version, made: Manifest | FilesManifest, facts: Mapping[str, Any], *, verb: str | None = None
) -> Version:
    """Add a version as it is, with its event and node; no branch moves. Its objects must be safe on the disk."""
    event = tx.event(f"dataset:{version.ref}", _payload(version, facts), verb=verb)
    version = msgspec.structs.replace(version, event=event)
    key, event_time = (made.key, made.event_time) if isinstance(made, Manifest) else ([], None)
    _define(tx, version, key, event_time)
    tx.execute(_INSERT, {name: getattr(version, name) for name in version.__struct_fields__})
    tx.node("dataset_version", f"dataset:{version.ref}", version.digest)
    return version


def partial(tx: Tx) -> frozenset[str]:
    """The references of the versions that were fetched in part only."""
    rows = tx.all(select(partial_version.c.dataset, partial_version.c.number))
    return frozenset(f"{row.dataset}@{row.number}" for row in rows)


def last_number(tx: Tx, name: str) -> int:
    """The highest number that a version of the dataset ever had; 0 before the first."""
    return int(tx.execute(_LAST, {"name": name}).scalar() or 0)


def _payload(version: Version, facts: Mapping[str, Any]) -> dict[str, Any]:
    told = ("id", "digest", "logical", "branch", "parent", "merged", "rows", "bytes", "watermark", "message")
    return {**{name: getattr(version, name) for name in told}, **facts}


def _define(tx: Tx, version: Version, key: Sequence[str], event_time: str | None) -> None:
    """Keep what is known of a dataset; what does not change is not written again."""
    row = first(tx, _DATASET, name=version.dataset)
    if row is not None and (row.kind, row.key, row.event_time) == (version.kind, list(key), event_time):
        return
    created = tx.now if row is None else row.created
    known = {"name": version.dataset, "kind": version.kind, "key": list(key), "event_time": event_time}
    tx.execute(_DATASET_TO, {**known, "created": created})


def point(tx: Tx, name: str, number: int, on: str = MAIN) -> None:
    """Point a branch at a version."""
    tx.execute(_BRANCH_TO, {"dataset": name, "name": on, "number": number})


def unpoint(tx: Tx, name: str, on: str) -> None:
    """Let go of a branch; its versions stay."""
    tx.execute(delete(branch).where(branch.c.dataset == name, branch.c.name == on))


def point_tag(tx: Tx, name: str, label: str, number: int, event: str) -> None:
    """Make a tag, or move it."""
    tx.execute(_TAG_TO, {"dataset": name, "name": label, "number": number, "at": tx.now, "event": event})


def unpoint_tag(tx: Tx, name: str, label: str) -> None:
    """Let go of a tag."""
    tx.execute(delete(tag).where(tag.c.dataset == name, tag.c.name == label))


def described(tx: Tx, name: str) -> tuple[list[str], str | None]:
    """The key and the event time that the dataset's newest version was committed with; nothing where there is none."""
    row = first(tx, _DATASET, name=name)
    return ([], None) if row is None else (list(row.key), row.event_time)


def summaries(tx: Tx) -> list[DatasetSummary]:
    """Every dataset with its head, by name."""
    heads = {row.dataset: version_of(row) for row in tx.execute(_HEAD.where(branch.c.name == MAIN))}
    counts = select(dataset_version.c.dataset, func.count().label("versions")).group_by(dataset_version.c.dataset)
    pointers = {table: tx.all(select(table).order_by(table.c.name)) for table in (branch, tag)}
    count: dict[str, int] = {row.dataset: row.versions for row in tx.execute(counts)}
    return [
        DatasetSummary(
            name=row.name,
            kind=row.kind,
            key=list(row.key),
            event_time=row.event_time,
            created=row.created,
            versions=count[row.name],
            head=heads[row.name],
            branches=_of(row.name, pointers[branch]),
            tags=_of(row.name, pointers[tag]),
        )
        for row in tx.execute(select(dataset).order_by(dataset.c.name))
        if row.name in heads
    ]


def _of(name: str, rows: Sequence[Row[Any]]) -> dict[str, int]:
    return {row.name: row.number for row in rows if row.dataset == name}


def cursor(tx: Tx, name: str) -> tuple[datetime | None, str]:
    """How far the dataset's source has been collected, and the fingerprint of its files."""
    row = first(tx, _CURSOR, name=name)
    return (None, "") if row is None else (row.until, row.fingerprint)


def stands_at(tx: Tx, name: str) -> datetime | None:
    """Where the source's next window begins: at the cursor, or at the watermark of what was committed by hand."""
    until, _ = cursor(tx, name)
    found = find_head(tx, name) if until is None else None
    return until if found is None else found.watermark


def move_cursor(tx: Tx, name: str, until: datetime | None, fingerprint: str, event: str) -> None:
    """Record how far the source has been collected; in the same transaction as the version that it led to."""
    tx.execute(_CURSOR_TO, {"dataset": name, "until": until, "fingerprint": fingerprint, "event": event})
