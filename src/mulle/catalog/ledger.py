"""The ledger: append-only, gapless, hash-chained. Who did what, when, why, and because of which event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Integer, LargeBinary, Text, bindparam, cast, insert, select, type_coerce
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from mulle.catalog.columns import microseconds
from mulle.catalog.tables import event, ledger_cursor
from mulle.errors import LedgerError
from mulle.hashing import digest_bytes
from mulle.types import Digest

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog.tx import Tx

GENESIS = Digest("b3:" + "0" * 64)
_BATCH = 1000
_json = msgspec.json.Encoder(order="sorted")
_HEAD = select(event.c.seq, event.c.digest).order_by(event.c.seq.desc()).limit(1)
_INSERT = insert(event).values(payload=bindparam("payload", type_=Text))
_TEXTS = ("id", "actor", "verb", "subject", "reason", "cause", "payload", "previous", "digest")
_RAW = [event.c.seq, type_coerce(event.c.at, Integer).label("instant")] + [
    cast(event.c[name], LargeBinary).label(name) for name in _TEXTS
]


class Event(msgspec.Struct, frozen=True):
    """One entry of the ledger; `cause` is the id of the event that led to it, or empty."""

    seq: int
    id: str
    at: datetime
    actor: str
    verb: str
    subject: str
    reason: str
    cause: str
    payload: dict[str, Any]
    previous: str
    digest: str


class Verified(msgspec.Struct, frozen=True):
    """What a whole verification found: the number of events and the head's digest."""

    count: int
    head: str


def event_digest(fields: Sequence[int | str]) -> Digest:
    """BLAKE3 of the canonical bytes: the compact JSON array of an event's fields.

    They are, in this order: seq, id, at (microseconds since 1970), actor, verb, subject, reason, cause, payload (its
    JSON text), previous.
    """
    return digest_bytes(_json.encode(fields))


def encode_payload(payload: Mapping[str, Any]) -> str:
    """The canonical text of a payload: compact JSON with sorted keys."""
    return _json.encode(payload).decode()


def append(connection: Connection, pending: Sequence[dict[str, Any]]) -> None:
    """Number, chain and insert events (payloads encoded): the last statement of a transaction, so no number is lost."""
    last = connection.execute(_HEAD).first()
    seq, previous = (last.seq, last.digest) if last is not None else (0, GENESIS)
    rows = []
    for fields in pending:
        seq += 1
        texts = [fields[name] for name in ("actor", "verb", "subject", "reason", "cause", "payload")]
        digest = event_digest([seq, fields["id"], microseconds(fields["at"]), *texts, previous])
        rows.append({**fields, "seq": seq, "previous": previous, "digest": digest})
        previous = digest
    connection.execute(_INSERT, rows)


def head(tx: Tx) -> tuple[int, str]:
    """The number and digest of the last event; (0, GENESIS) in an empty ledger."""
    row = tx.one(_HEAD)
    return (row.seq, row.digest) if row is not None else (0, GENESIS)


def events(
    tx: Tx,
    subject: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    *,
    after: int | None = None,
    newest_first: bool = False,
) -> Iterator[Event]:
    """Events in order of `seq`: of one subject, not before `since`, with a greater `seq` than `after`."""
    statement = select(event).order_by(event.c.seq.desc() if newest_first else event.c.seq)
    if subject is not None:
        statement = statement.where(event.c.subject == subject)
    if since is not None:
        statement = statement.where(event.c.at >= since)
    if after is not None:
        statement = statement.where(event.c.seq > after)
    if limit is not None:
        statement = statement.limit(limit)
    for row in tx.execute(statement):
        yield Event(**row._mapping)  # noqa: SLF001 - the documented accessor


def get(tx: Tx, event_id: str) -> Event | None:
    """The event with this id."""
    row = tx.one(select(event).where(event.c.id == event_id))
    return None if row is None else Event(**row._mapping)  # noqa: SLF001 - the documented accessor


def verify(tx: Tx, expected: Verified | None = None) -> Verified:
    """Recompute the whole chain; with `expected` (an earlier result, kept elsewhere) also that nothing was cut off.

    Raises:
        LedgerError: an event was changed, removed, inserted or cannot be read; names it by number and id.
    """
    seq, previous = 0, str(GENESIS)
    while rows := _batch(tx, seq):
        for row in rows:
            seq += 1
            previous = _checked(row, seq, previous)
            if expected is not None and seq == expected.count and previous != expected.head:
                raise _broken(seq, bytes(row.id).decode(), "the whole chain up to here was written anew")
    if expected is not None and seq < expected.count:
        raise _broken(seq + 1, "?", f"it is missing: the ledger ends at {seq}, and once had {expected.count} events")
    return Verified(seq, previous)


def _batch(tx: Tx, after: int) -> Sequence[Row[Any]]:
    statement = select(*_RAW).where(event.c.seq > after).order_by(event.c.seq).limit(_BATCH)
    try:
        return tx.all(statement)
    except DBAPIError as error:
        raise _broken(
            after + 1, "?", f"the database cannot read it or one of the {_BATCH} after it: {error.orig}"
        ) from error


def _checked(row: Row[Any], seq: int, previous: str) -> str:
    """The digest of an event that is the `seq`-th and follows `previous`."""
    try:
        texts = [bytes(getattr(row, name)).decode() for name in _TEXTS]
    except (UnicodeDecodeError, TypeError) as error:
        raise _broken(seq, "?", f"its text is damaged: {error}") from error
    event_id, *rest, stored_previous, stored = texts
    if row.seq != seq:
        raise _broken(seq, "?", f"it is missing: the next one that is there has number {row.seq}")
    if not isinstance(row.instant, int) or event_digest([seq, event_id, row.instant, *rest, stored_previous]) != stored:
        raise _broken(seq, event_id, "its content is not what was recorded")
    if stored_previous != previous:
        raise _broken(seq, event_id, "it does not follow the event before it")
    return stored


def _broken(seq: int, event_id: str, cause: str) -> LedgerError:
    return LedgerError(
        f"the ledger does not verify at event {seq} (id {event_id})",
        cause=cause,
        cure="compare with a backup of catalog.db or an exported head, and restore it: mulle audit verify",
    )


def position(tx: Tx, cursor: str) -> int:
    """The number of the last event that a durable cursor has dealt with; 0 for a new one."""
    return tx.scalar(select(ledger_cursor.c.seq).where(ledger_cursor.c.name == cursor)) or 0


def advance(tx: Tx, cursor: str, seq: int) -> None:
    """Move a cursor, in the transaction that records what was decided: so each event is dealt with exactly once."""
    statement = sqlite.insert(ledger_cursor).values(name=cursor, seq=seq)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))
