"""Profiles, row checks, evaluation and sequential tests: pure functions on columns and records."""

from mulle.stats.evaluation import Report
from mulle.stats.schema import Schema, column, outcome

__all__ = ["Report", "Schema", "column", "outcome"]
