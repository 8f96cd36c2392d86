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
    Column("id", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("logical", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("parent", Integer),
    Column("merged", Integer),
    Column("actor", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("message", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("schema", Json, nullable=False),
    Column("watermark", Instant),
    Column("event", String, nullable=False),
    Index("dataset_version_digest", "digest"),
    Index("dataset_version_id", "id"),
    Index("dataset_version_branch", "dataset", "branch"),
)

removed_version = Table(
    "removed_version",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("parent", Integer),
    Column("merged", Integer),
    Column("at", Instant, nullable=False),
    Column("event", String, nullable=False),
)
"""What is left of a removed version: its place in the history, and the event that says who removed it and why."""

branch = Table(
    "branch",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
)

tag = Table(
    "tag",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", String, nullable=False),
)

partial_version = Table(
    "partial_version",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("remote", String, nullable=False),
    Column("path", String, nullable=False),
    Column("columns", Json),
)
"""Versions of which only what lies at a path was pulled, or some columns; else nothing but the manifest."""

source_cursor = Table(
    "source_cursor",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("until", Instant),
    Column("fingerprint", String, nullable=False),
    Column("event", String, nullable=False),
)

source_state = Table(
    "source_state",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("identity", String, nullable=False),
    Column("address", String, nullable=False),
    Column("cursor", String, nullable=False),
    Column("state", Json, nullable=False),
    Column("live", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", String, nullable=False),
)
"""Where the source of a dataset stands: of sources that are asked what is new, not of those by window."""

source_piece = Table(
    "source_piece",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("mark", Json, nullable=False),
)
"""The files, URLs and objects that were taken."""

profile_cache = Table(
    "profile_cache",
    metadata,
    Column("subject", String, primary_key=True),
    Column("digest", String, nullable=False),
)

content_alias = Table(
    "content_alias",
    metadata,
    Column("algorithm", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("content", String, nullable=False),
    Index("content_alias_content", "content"),
)
"""Other tools' names for content: an md5 of DVC, a sha256 of git-lfs. `content` is a digest without its `b3:`, so that
it is not taken for a reference that keeps the object."""

partition_cache = Table(
    "partition_cache",
    metadata,
    Column("subject", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""What was computed of parts to split tables; may be emptied at any time. Digests in it keep nothing: they name rows,
not objects."""
