"""The tables of tuning. Nobody else reads or writes them."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from mulle.catalog import Instant, Json, metadata

study = Table(
    "study",
    metadata,
    Column("name", Text, primary_key=True),
    Column("log", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("question", Json, nullable=False),
    Column("manner", Json, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("workers", Json, nullable=False),
    Column("report", Json, nullable=False),
)
"""`log` names the file that its trials are appended to; `taken` says how far that has been taken over."""

trial = Table(
    "trial",
    metadata,
    Column("study", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("values", Json, nullable=False),
    Column("reports", Json, nullable=False),
    Column("run", Text, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    Column("error", Text, nullable=False),
    Column("attributes", Json, nullable=False),
)
