"""The prediction plane's tables: labels that were given by prediction id. Predictions themselves are files."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from mulle.catalog import Instant, Json, metadata

feedback = Table(
    "feedback",
    metadata,
    Column("prediction", Text, primary_key=True),
    Column("deployment", Text, nullable=False),
    Column("label", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    Index("feedback_deployment", "deployment", "at"),
)
