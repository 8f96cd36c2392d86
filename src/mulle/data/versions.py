"""Versions and the branch in the catalog. Each function takes the transaction; none opens one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mulle.data.manifest import FilesManifest, Manifest
from mulle.data.model import DatasetSummary, Version
from mulle.data.tables import branch, dataset, dataset_version, source_cursor
from mulle.errors import DataError, unknown

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mulle.catalog import Tx
    from mulle.types import Digest

MAIN = "main"
LIST = "mulle data list"
_REFERENCE = re.compile(r"^(?:dataset:)?(?P<name>[^@]+?)(?:@(?P<at>.+))?$")
_BACK = re.compile(r"^HEAD(?:~(\d+))?$")

_named = dataset_version.c.dataset == bindparam("name")
_HEAD = select(dataset_version).join(
    branch, (branch.c.dataset == dataset_version.c.dataset) & (branch.c.number == dataset_version.c.number)
)
_HEAD_OF = _HEAD.where(branch.c.dataset == bindparam("name"), branch.c.name == MAIN)
_NUMBERED = select(dataset_version).where(_named, dataset_version.c.number == bindparam("number"))
_LAST = select(func.max(dataset_version.c.number)).where(_named)
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
_CURSOR_TO = _replacing(source_cursor)


def _version(row: Row[Any]) -> Version:
    fields = dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's rows
    fields["schema"] = [(name, kind) for name, kind in fields["schema"]]
    return Version(**fields)


def _first(tx: Tx, statement: Any, **values: Any) -> Row[Any] | None:
    return tx.execute(statement, values).first()


def find_head(tx: Tx, name: str) -> Version | None:
    """The version that the branch points at; None where nothing was ever committed."""
    row = _first(tx, _HEAD_OF, name=name)
    return None if row is None else _version(row)


def find_until(tx: Tx, name: str, as_of: datetime) -> Version | None:
    """The newest version whose watermark is not after an instant; None where there is none."""
    table = dataset_version.c
    statement = select(dataset_version).where(table.dataset == name, table.watermark <= as_of)
    row = tx.one(statement.order_by(table.number.desc()).limit(1))
    return None if row is None else _version(row)


def head(tx: Tx, name: str) -> Version:
    """The version that the branch points at, or an error that suggests the nearest name."""
    found = find_head(tx, name)
    if found is None:
        raise unknown("dataset", name, tx.execute(select(dataset.c.name)).scalars(), cure=LIST)
    return found


def numbered(tx: Tx, name: str, number: int) -> Version:
    """The version of that number."""
    row = _first(tx, _NUMBERED, name=name, number=number)
    if row is None:
        newest = head(tx, name)
        raise DataError(
            f"there is no version {name}@{number}", cause=f"the newest is {newest.ref}", cure=f"mulle data log {name}"
        )
    return _version(row)


def history(tx: Tx, name: str) -> list[Version]:
    """All versions, the newest first."""
    found = [_version(row) for row in tx.execute(_ALL, {"name": name})]
    return found or [head(tx, name)]


def resolve(tx: Tx, ref: str) -> Version:
    """A version from `name`, `name@3`, `name@HEAD`, `name@HEAD~1` or `name@b3:prefix` (of its manifest or content)."""
    match = _REFERENCE.match(ref.strip())
    name, at = (match["name"], match["at"]) if match else (ref, None)
    if at is None:
        return head(tx, name)
    if at.isdigit():
        return numbered(tx, name, int(at))
    if back := _BACK.match(at):
        return _ancestor(tx, head(tx, name), int(back[1] or 0))
    if at.startswith("b3:"):
        return _by_digest(tx, name, at)
    raise DataError(
        f"'{ref}' is no version",
        cause="after @ stands a number, HEAD, HEAD~n or a digest",
        cure=f"mulle data log {name}",
    )


def _ancestor(tx: Tx, version: Version, steps: int) -> Version:
    for _ in range(steps):
        if version.parent is None:
            raise DataError(
                f"{version.dataset}@HEAD~{steps} is before the first version",
                cause=f"{version.ref} has no parent",
                cure=f"mulle data log {version.dataset}",
            )
        version = numbered(tx, version.dataset, version.parent)
    return version


def _by_digest(tx: Tx, name: str, prefix: str) -> Version:
    found = [each for each in history(tx, name) if each.digest.startswith(prefix) or each.logical.startswith(prefix)]
    if len({each.logical for each in found}) == 1:
        return found[0]
    cause = "no version has that digest" if not found else f"{len(found)} versions begin so"
    raise DataError(f"'{name}@{prefix}' is not one version", cause=cause, cure=f"mulle data log {name}")


@dataclass(frozen=True)
class New:
    """A version that is about to be published after `parent`."""

    name: str
    manifest: Manifest | FilesManifest
    digest: Digest
    parent: Version | None
    message: str
    watermark: datetime | None
    facts: Mapping[str, Any]


def publish(tx: Tx, new: New) -> Version:
    """Add the version, point the branch at it, and record event and node."""
    number = (tx.execute(_LAST, {"name": new.name}).scalar() or 0) + 1
    made = new.manifest
    version = Version(
        dataset=new.name,
        number=number,
        digest=new.digest,
        logical=made.logical,
        parent=None if new.parent is None else new.parent.number,
        at=tx.now,
        message=new.message,
        kind="table" if isinstance(made, Manifest) else "files",
        rows=made.rows if isinstance(made, Manifest) else 0,
        bytes=made.bytes,
        schema=made.schema if isinstance(made, Manifest) else [],
        watermark=new.watermark,
        event="",
    )
    version = msgspec.structs.replace(
        version, event=tx.event(f"dataset:{version.ref}", _payload(version, new.facts), verb="data.commit")
    )
    key, event_time = (made.key, made.event_time) if isinstance(made, Manifest) else ([], None)
    _define(tx, version, key, event_time)
    tx.execute(_INSERT, {name: getattr(version, name) for name in version.__struct_fields__})
    point(tx, new.name, number)
    tx.node("dataset_version", f"dataset:{version.ref}", new.digest)
    return version


def _payload(version: Version, facts: Mapping[str, Any]) -> dict[str, Any]:
    told = ("digest", "logical", "parent", "rows", "bytes", "watermark", "message")
    return {**{name: getattr(version, name) for name in told}, **facts}


def _define(tx: Tx, version: Version, key: Sequence[str], event_time: str | None) -> None:
    """Keep what is known of a dataset; what does not change is not written again."""
    row = _first(tx, _DATASET, name=version.dataset)
    if row is not None and (row.kind, row.key, row.event_time) == (version.kind, list(key), event_time):
        return
    created = tx.now if row is None else row.created
    known = {"name": version.dataset, "kind": version.kind, "key": list(key), "event_time": event_time}
    tx.execute(_DATASET_TO, {**known, "created": created})


def point(tx: Tx, name: str, number: int) -> None:
    """Point the branch at a version."""
    tx.execute(_BRANCH_TO, {"dataset": name, "name": MAIN, "number": number})


def described(tx: Tx, name: str) -> tuple[list[str], str | None]:
    """The key and the event time that the dataset's newest version was committed with; nothing where there is none."""
    row = _first(tx, _DATASET, name=name)
    return ([], None) if row is None else (list(row.key), row.event_time)


def summaries(tx: Tx) -> list[DatasetSummary]:
    """Every dataset with its head, by name."""
    heads = {row.dataset: _version(row) for row in tx.execute(_HEAD.where(branch.c.name == MAIN))}
    counts = select(dataset_version.c.dataset, func.count().label("versions")).group_by(dataset_version.c.dataset)
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
        )
        for row in tx.execute(select(dataset).order_by(dataset.c.name))
        if row.name in heads
    ]


def cursor(tx: Tx, name: str) -> tuple[datetime | None, str]:
    """How far the dataset's source has been collected, and the fingerprint of its files."""
    row = _first(tx, _CURSOR, name=name)
    return (None, "") if row is None else (row.until, row.fingerprint)


def stands_at(tx: Tx, name: str) -> datetime | None:
    """Where the source's next window begins: at the cursor, or at the watermark of what was committed by hand."""
    until, _ = cursor(tx, name)
    found = find_head(tx, name) if until is None else None
    return until if found is None else found.watermark


def move_cursor(tx: Tx, name: str, until: datetime | None, fingerprint: str, event: str) -> None:
    """Record how far the source has been collected; in the same transaction as the version that it led to."""
    tx.execute(_CURSOR_TO, {"dataset": name, "until": until, "fingerprint": fingerprint, "event": event})
