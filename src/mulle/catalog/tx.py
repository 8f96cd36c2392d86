"""One transaction: statements, and the events, nodes and edges that are written with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.sqlite import insert

from mulle.catalog import ledger
from mulle.catalog.tables import edge, node
from mulle.errors import CatalogError
from mulle.verbs import current

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.engine import CursorResult, Row

    from mulle.clock import Ids

_NODE = insert(node).on_conflict_do_nothing()
_EDGE = insert(edge).on_conflict_do_nothing()


class Tx:
    """A transaction, valid within its `with` block and in its thread.

    Events, nodes and edges are written last, right before the commit: the same transaction does not see them.
    """

    def __init__(self, connection: Connection, now: datetime, ids: Ids, *, writable: bool) -> None:
        self.connection = connection
        self.now = now
        self._ids = ids
        self._writable = writable
        self._events: list[dict[str, Any]] = []
        self._nodes: dict[str, dict[str, str]] = {}
        self._edges: dict[tuple[str, str, str], None] = {}

    def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Run a statement; with a list of parameters, once for each of them."""
        return self.connection.execute(statement, parameters)

    def straight(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement as the database takes it, values included, and give its rows as they are kept.

        For the few statements that every step of every run pays for: it costs a tenth of `execute`. `sql` is a
        compiled statement with named parameters (`:name`).
        """
        driver: sqlite3.Connection = self.connection.connection.driver_connection  # type: ignore[assignment]
        return driver.execute(sql, parameters).fetchall()

    def all(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """All rows."""
        return self.execute(statement, parameters).all()

    def one(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
        """The first row, if there is one."""
        return self.execute(statement, parameters).first()

    def scalar(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None when there is no row."""
        return self.execute(statement, parameters).scalar()

    def new_id(self) -> str:
        """A fresh time-ordered id."""
        return self._ids.new()

    def event(
        self,
        subject: str,
        payload: Mapping[str, Any] | None = None,
        *,
        verb: str | None = None,
        reason: str | None = None,
        cause: str | None = None,
    ) -> str:
        """Record in the ledger that `subject` changed, and return the event's id.

        Actor, verb, reason and cause are those of `mulle.verbs.current()` where they are not given. Personal data
        belongs in the payload only by digest.
        """
        self._must_write()
        acting = current()
        event_id = self._ids.new()
        self._events.append({
            "id": event_id,
            "at": self.now,
            "actor": acting.actor,
            "verb": acting.verb if verb is None else verb,
            "subject": subject,
            "reason": acting.reason if reason is None else reason,
            "cause": acting.cause if cause is None else cause,
            "payload": ledger.encode_payload(payload or {}),
        })  # fmt: skip
        return event_id

    def node(self, kind: str, name: str, digest: str = "") -> None:
        """Make a node of the lineage graph; one that is there stays as it is."""
        self._must_write()
        self._nodes.setdefault(name, {"name": name, "kind": kind, "digest": digest})

    def edge(self, source: str, target: str, role: str) -> None:
        """Record that `source` came from `target`; once or twice is the same."""
        self._must_write()
        self._edges[source, target, role] = None

    def finish(self) -> None:
        """Write what was collected: nodes, edges, and last the events. The catalog calls it once, before the commit."""
        if self._nodes:
            self.execute(_NODE, list(self._nodes.values()))
        if self._edges:
            first = self._events[0]["id"] if self._events else current().cause
            edges = [{"source": s, "target": t, "role": r, "event": first} for s, t, r in self._edges]
            self.execute(_EDGE, edges)
        if self._events:
            ledger.append(self.connection, self._events)

    def _must_write(self) -> None:
        if not self._writable:
            raise CatalogError(
                "this transaction only reads", cause="it was opened by read()", cure="open it by write() instead"
            )
