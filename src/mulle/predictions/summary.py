"""Many answers in a few figures: how many there were and how long they took, and how good they turned out to be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from mulle.predictions.frames import SHADOW
from mulle.predictions.model import AnswerCount, LogSummary, QualityPoint, RevisionSummary
from mulle.stats.evaluation import measure

if TYPE_CHECKING:
    from mulle.stats.evaluation import Task

_BUCKETS = 56
_LATENCY = [pl.col("latency_us").quantile(q, "nearest").alias(name) for name, q in (("p50", 0.5), ("p99", 0.99))]
_SMALLEST = 50


def summarise(table: pl.DataFrame, period: timedelta) -> LogSummary:
    """Counts and latencies of the answers of one period, by revision and by a fixed number of equal stretches."""
    by_revision = table.group_by("revision", "model", "role").agg(pl.len().alias("answers"), *_LATENCY)
    stretch = timedelta(seconds=max(1, round(period.total_seconds() / _BUCKETS)))
    by_time = table.group_by(pl.col("at").dt.truncate(stretch)).agg(
        pl.len().alias("answers"), *_LATENCY, pl.col("score").mean()
    )
    return LogSummary(
        answers=table.height,
        period=period.total_seconds(),
        revisions=[RevisionSummary(**row) for row in by_revision.sort("revision", "role").iter_rows(named=True)],
        over_time=[AnswerCount(**row) for row in by_time.sort("at").iter_rows(named=True)],
    )


def realised(labelled: pl.DataFrame, every: timedelta, task: Task) -> list[QualityPoint]:
    """The metrics of labelled answers by stretch of time; shadows and stretches with hardly any label are left out."""
    given = labelled.filter((pl.col("role") != SHADOW) & pl.col("score").is_not_null() & pl.col("label").is_not_null())
    points = []
    stretches = given.with_columns(pl.col("at").dt.truncate(every).alias("start"))
    for (start,), part in stretches.group_by("start", maintain_order=True):
        if part.height >= _SMALLEST:
            truth = part["label"].cast(pl.Float64).to_numpy()
            metrics = measure(truth, part["score"].cast(pl.Float64).to_numpy(), task)
            models = part["model"].unique(maintain_order=True).to_list()
            points.append(QualityPoint(at=start, labels=part.height, models=models, metrics=metrics))
    return sorted(points, key=lambda point: point.at)
