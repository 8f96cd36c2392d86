"""The tables of resources."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text, text

from mulle.catalog import Instant, Json, metadata

claim = Table(
    "resource_claim",
    metadata,
    Column("id", Text, primary_key=True),
    Column("step_run", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("preempts", Boolean, nullable=False),
    Column("yields", Boolean, nullable=False),
    Column("rank", Float, nullable=False),
    Column("gang", Integer, nullable=False),
    Column("cpus", Float, nullable=False),
    Column("memory", BigInteger, nullable=False),
    Column("gpus", Float, nullable=False),
    Column("asked_cpus", Float, nullable=False),
    Column("asked_memory", BigInteger, nullable=False),
    Column("devices", Json, nullable=False),
    Column("cores", Json, nullable=False),
    Column("gpu", Text, nullable=False),
    Column("asked", Instant, nullable=False),
    Column("granted", Instant),
    Column("ended", Instant),
    Column("outcome", Text, nullable=False),
    Column("yields_to", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("peak_memory", BigInteger, nullable=False),
    Column("gpus_used", Float, nullable=False),
    Column("process", Json, nullable=False),
    Column("beat", Float, nullable=False),
    Index("resource_claim_live", "step_run", sqlite_where=text("ended IS NULL")),
    sqlite_with_rowid=False,
)
"""What waits, what holds, and, once it has ended, what was held and used.

Each step writes here twice, so there is one index more and no other: ids are in the order of time, and histories are
read by them. `cpus`, `memory` and `gpus` are those of all processes of a gang; `asked_cpus` and `asked_memory` are what
the step asked for, where that is more than there is.
"""

share = Table(
    "resource_share",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("service", Float, nullable=False),
    Column("at", Instant, nullable=False),
)
"""What each project had of a pool while others waited, in seconds of its dominant share over its weight."""
