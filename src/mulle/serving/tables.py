"""The tables of serving."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, Table, Text, UniqueConstraint

from mulle.catalog import Instant, Json, metadata

deployment = Table(
    "deployment",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created", Instant, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("event", Text, nullable=False),
)

revision = Table(
    "revision",
    metadata,
    Column("deployment", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    UniqueConstraint("deployment", "model", "version"),
    ForeignKeyConstraint(["deployment"], ["deployment.name"]),
    ForeignKeyConstraint(["model", "version"], ["model_version.name", "model_version.number"]),
)

traffic = Table(
    "traffic",
    metadata,
    Column("deployment", Text, primary_key=True),
    Column("entry", Integer, primary_key=True),
    Column("weights", Json, nullable=False),
    Column("shadow", Json, nullable=False),
    Column("restores", Integer, nullable=True),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    ForeignKeyConstraint(["deployment"], ["deployment.name"]),
)
