"""Where sources stand, in the catalog. Each function takes the transaction; none opens one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mulle.data.model import Collected
from mulle.data.refs import MAIN
from mulle.data.sources.port import SUFFIX, Mark, Position
from mulle.data.tables import branch, dataset_version, source_cursor, source_piece, source_state

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mulle.catalog import Tx

_STATE = select(source_state).where(source_state.c.dataset == bindparam("name"))
_HELD = (
    select(dataset_version.c.dataset, dataset_version.c.rows)
    .join(branch, (branch.c.dataset == dataset_version.c.dataset) & (branch.c.number == dataset_version.c.number))
    .where(branch.c.name == MAIN, branch.c.dataset.endswith(SUFFIX, autoescape=True))
)
_PIECES = select(source_piece).where(source_piece.c.dataset == bindparam("name"))


@dataclass(frozen=True)
class Standing:
    """What is recorded of a dataset's source: what it is, and how far it was collected."""

    kind: str
    identity: str
    address: str
    cursor: str


def find(tx: Tx, name: str) -> Row[Any] | None:
    """What is recorded of a dataset's source; None where nothing was ever collected from one."""
    return tx.execute(_STATE, {"name": name}).first()


def position(tx: Tx, name: str) -> Position:
    """Where the dataset's source stands; at its beginning where nothing was collected."""
    row = find(tx, name)
    if row is None:
        return Position()
    marks = {piece.name: piece.mark for piece in tx.execute(_PIECES, {"name": name})}
    return Position(row.state, marks, live=bool(row.live), event=row.event)


def event_of(tx: Tx, name: str) -> str:
    """The event of the last move; empty before the first."""
    row = find(tx, name)
    return "" if row is None else str(row.event)


def move(
    tx: Tx,
    name: str,
    standing: Standing,
    *,
    state: Mapping[str, Any],
    marks: Mapping[str, Mark | None],
    event: str,
    live: bool,
) -> None:
    """Record where the source stands now; in the same transaction as the version that it led to."""
    known = {"kind": standing.kind, "identity": standing.identity, "address": standing.address}
    values = {**known, "cursor": standing.cursor, "state": dict(state), "live": live, "at": tx.now, "event": event}
    tx.execute(upsert(source_state).values(dataset=name, **values).on_conflict_do_update(["dataset"], set_=values))
    taken = [{"dataset": name, "name": piece, "mark": dict(mark)} for piece, mark in marks.items() if mark is not None]
    if taken:
        statement = upsert(source_piece)
        changed = {"mark": statement.excluded.mark}
        tx.execute(statement.on_conflict_do_update(["dataset", "name"], set_=changed), taken)
    gone = [{"of": name, "piece": piece} for piece, mark in marks.items() if mark is None]
    if gone:
        mine = (source_piece.c.dataset == bindparam("of")) & (source_piece.c.name == bindparam("piece"))
        tx.execute(delete(source_piece).where(mine), gone)


def collected(tx: Tx) -> dict[str, Collected]:
    """Where the sources of all datasets stand, by the dataset's name; those by window and those that are asked."""
    held = {str(row.dataset): int(row.rows) for row in tx.execute(_HELD)}
    found = {}
    for row in tx.execute(select(source_cursor)):
        known = {"kind": "windows" if row.until is not None else "file", "address": "", "live": False, "at": None}
        cursor = row.until.isoformat() if row.until is not None else ""
        found[row.dataset] = _collected(row.dataset, held, cursor=cursor, **known)
    for row in tx.execute(select(source_state)):
        known = {"kind": row.kind, "address": row.address, "live": bool(row.live), "at": row.at}
        found[row.dataset] = _collected(row.dataset, held, cursor=row.cursor, **known)
    return found


def _collected(name: str, held: Mapping[str, int], **known: Any) -> Collected:
    aside = name + SUFFIX
    return Collected(held=held.get(aside, 0), quarantine=aside if aside in held else "", **known)
