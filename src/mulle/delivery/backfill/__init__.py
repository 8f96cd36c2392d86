"""Backfill: a pipeline run for every window of a range, and for every partition, that has no run yet."""
