"""The data plane's tables. Nobody else reads or writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from mulle.catalog import Instant, Json, metadata

dataset = Table(
    "dataset",
    metadata,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", Json, nullable=False),
    Column("event_time", String),
    Column("created", Instant, nullable=False),
)

dataset_version = Table(
    "dataset_version",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("logical", String, nullable=False),
    Column("parent", Integer),
    Column("at", Instant, nullable=False),
    Column("message", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("schema", Json, nullable=False),
    Column("watermark", Instant),
    Column("event", String, nullable=False),
    Index("dataset_version_digest", "digest"),
)

branch = Table(
    "branch",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
)

source_cursor = Table(
    "source_cursor",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("until", Instant),
    Column("fingerprint", String, nullable=False),
    Column("event", String, nullable=False),
)

profile_cache = Table(
    "profile_cache",
    metadata,
    Column("subject", String, primary_key=True),
    Column("digest", String, nullable=False),
)
