"""The registry's tables."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Table, Text, UniqueConstraint

from mulle.catalog import Instant, Json, metadata

model = Table(
    "model",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created", Instant, nullable=False),
    Column("event", Text, nullable=False),
)

model_version = Table(
    "model_version",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bundle", Text, nullable=False),
    Column("flavor", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("signature", Json, nullable=False),
    Column("run", Text, nullable=False),
    Column("step_run", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    UniqueConstraint("name", "bundle"),
    ForeignKeyConstraint(["name"], ["model.name"]),
)

model_alias = Table(
    "model_alias",
    metadata,
    Column("name", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    ForeignKeyConstraint(["name", "number"], ["model_version.name", "model_version.number"]),
)

model_engine = Table(
    "model_engine",
    metadata,
    Column("bundle", Text, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("report", Json, nullable=False),
    Column("at", Instant, nullable=False),
)
