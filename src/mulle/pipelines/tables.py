"""The tables of pipelines."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from mulle.catalog import Instant, Json, metadata

step_run = Table(
    "step_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    Column("seconds", Float, nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("peak_memory", Integer, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("error", Text, nullable=False),
    Column("samples", Json, nullable=False),
    Index("step_run_run", "run", "position"),
)

run_graph = Table(
    "run_graph",
    metadata,
    Column("run", Text, primary_key=True),
    Column("nodes", Json, nullable=False),
    Column("edges", Json, nullable=False),
)
"""The shape of a run's graph; the state of its nodes is in their step runs."""

memo = Table(
    "memo",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("function", Text, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("step_run", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("code", Text, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Index("memo_name", "name", "at"),
    Index("memo_function", "function", "at"),
)
"""`code`, `inputs` and `settings` are what the key was made of, to tell what changed since."""

memo_code = Table(
    "memo_code",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("reached", Json, nullable=False),
    Column("packages", Json, nullable=False),
)
"""Codes that memo keys were made of, each once: what they reach, and the distributions that they import."""

sweep = Table(
    "sweep",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("axes", Json, nullable=False),
    Column("params", Json, nullable=False),
    Column("created", Instant, nullable=False),
)

sweep_run = Table(
    "sweep_run",
    metadata,
    Column("sweep", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("values", Json, nullable=False),
    Column("run", Text, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("executed", Integer, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("error", Text, nullable=False),
)
"""The runs of a sweep; `run` is empty while one has not begun."""

flight = Table(
    "memo_flight",
    metadata,
    Column("key", Text, primary_key=True),
    Column("step_run", Text, nullable=False),
    Column("process", Json, nullable=False),
)
"""Who computes a key now, so that nobody else begins it; of no meaning once that process is gone."""

run_pin = Table(
    "run_pin",
    metadata,
    Column("key", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("as_of", Instant),
    Column("heads", Json, nullable=False),
    Column("project_version", Text, nullable=False),
)
"""What a run that is driven from outside, one step a process, was fixed to when its first step began."""
