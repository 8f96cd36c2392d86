"""The catalog's own tables: the ledger and the lineage graph."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from mulle.catalog.columns import Instant, Json, metadata

event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("payload", Json, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index("event_subject", "subject", "seq"),
)

ledger_cursor = Table(
    "ledger_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", Integer, nullable=False),
)

node = Table(
    "node",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

edge = Table(
    "edge",
    metadata,
    Column("source", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Index("edge_target", "target"),
)
