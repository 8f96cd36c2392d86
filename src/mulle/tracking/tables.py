"""The tables of tracking."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text

from mulle.catalog import Instant, Json, metadata

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("ended", Instant),
    Column("params", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("as_of", Instant),
    Column("project_version", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("process", Json, nullable=False),
    Column("beat", Float, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Index("run_pipeline", "pipeline", "id"),
    Index("run_status", "status"),
)

run_owner = Table(
    "run_owner",
    metadata,
    Column("run", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
)
"""Whose records a run shows: its own, and those of its step runs, wherever they were first executed."""

metric_chunk = Table(
    "metric_chunk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("points", LargeBinary, nullable=False),
    Index("metric_chunk_owner", "owner", "key", "id"),
)

metric_latest = Table(
    "metric_latest",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("latest", Float),
    Column("minimum", Float),
    Column("maximum", Float),
    Column("step", Integer, nullable=False),
    Column("at", Instant, nullable=False),
)

param = Table(
    "run_param",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Json),
)

artifact = Table(
    "run_artifact",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
)

segment = Table(
    "metric_segment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("end", Integer, nullable=False),
)
"""How far each spool segment has been taken over, so that taking over twice records nothing twice."""
