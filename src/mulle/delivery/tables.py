"""The tables of delivery. Nobody else reads or writes them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint

from mulle.catalog import Instant, Json, metadata

trigger_memory = Table(
    "trigger_memory",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("memory", Json, nullable=False),
)

demand = Table(
    "demand",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("pipeline", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("event", Text, nullable=False),
)

firing = Table(
    "firing",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("pipeline", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("rule", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("status", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("as_of", Instant),
    Index("firing_status", "status"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("deployment", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("champion", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("checks", Json, nullable=False),
    Column("event", Text, nullable=False),
)

rollout = Table(
    "rollout",
    metadata,
    Column("id", Text, primary_key=True),
    Column("deployment", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("former", Text, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("since", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started", Instant, nullable=False),
    Column("ended", Instant),
    Column("cause", Text, nullable=False),
    Column("event", Text, nullable=False),
    UniqueConstraint("deployment", "model", "version"),
    Index("rollout_status", "status"),
)

backtest = Table(
    "backtest",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("start", Instant, nullable=False),
    Column("end", Instant, nullable=False),
    Column("policies", Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("event", Text, nullable=False),
)

backfill = Table(
    "backfill",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("start", Instant),
    Column("end", Instant),
    Column("every", Text, nullable=False),
    Column("partition", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("jobs", Integer, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("newest_first", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("process", Json, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("backfill_pipeline", "pipeline"),
)

backfill_window = Table(
    "backfill_window",
    metadata,
    Column("backfill", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("start", Instant),
    Column("end", Instant),
    Column("partition", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("identity", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("error", Text, nullable=False),
    Index("backfill_window_identity", "identity", "status"),
)
"""One run of a backfill. Its identity is what its run would compute: pipeline, parameters and instant."""
