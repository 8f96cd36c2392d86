"""Profiles, row checks, evaluation and sequential tests: pure functions on columns and records."""
