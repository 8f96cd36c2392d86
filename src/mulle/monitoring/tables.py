"""The tables of monitoring. Nobody else reads or writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from mulle.catalog import Instant, Json, metadata

monitor_state = Table(
    "monitor_state",
    metadata,
    Column("deployment", Text, primary_key=True),
    Column("watch", Text, primary_key=True),
    Column("champion", Text, nullable=False),
    Column("cursor", Instant, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("reading", Json, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("watch", Text, nullable=False),
    Column("champion", Text, nullable=False),
    Column("subjects", Json, nullable=False),
    Column("text", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("acknowledged", Instant),
    Column("event", Text, nullable=False),
    Index("alert_deployment", "deployment", "watch", "at"),
)
