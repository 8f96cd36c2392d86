"""What each watch makes of new rows. Pure: rows, reference and state go in; a reading, findings and state come out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import polars as pl

from mulle.monitoring import distance
from mulle.monitoring.declare import Drift, Outliers, Quality, Staleness
from mulle.monitoring.model import Outcome, Serving
from mulle.monitoring.reference import SCORE, Reference, build, observe, together
from mulle.stats.error import block_error
from mulle.stats.evaluation import Report, metric
from mulle.stats.sequential import Finding, OpenWindow, feed

ASKED = "__asked"
_LOOKS_PER_WINDOW = 7
_ENOUGH_ROWS = 30_000
_DAY = timedelta(days=1)
_States = list[OpenWindow]


class Expected(msgspec.Struct):
    """What a champion's rows are compared with, for one watch."""

    reference: Reference
    far: distance.Distance | None = None


def expected(
    taught: pl.DataFrame, report: Report | None, features: Sequence[str], rule: Drift | Outliers
) -> Expected | None:
    """Learn from the rows that the champion was taught, and its scores on those that it was judged on.

    None where they cannot teach this watch anything.
    """
    rows = taught.gather_every(taught.height // _ENOUGH_ROWS + 1)
    known = [name for name in features if name in rows.columns]
    if isinstance(rule, Outliers):
        far = distance.fit(rows, known)
        return None if far is None else Expected(build(far.flags(rows), _asked(rows), [distance.COLUMN], rule), far)
    inputs = build(rows, _asked(rows), known, rule)
    if report is None or np.ndim(report.scores) != 1:
        return Expected(inputs)
    scores = pl.DataFrame({SCORE: report.scores})
    return Expected(together(inputs, build(scores, _asked(report.rows), [SCORE], rule)))


def _asked(rows: pl.DataFrame) -> pl.Series | None:
    known = ASKED in rows.columns and isinstance(rows.schema[ASKED], pl.Datetime)
    return rows.get_column(ASKED) if known else None


def look_at_rows(against: Expected, state: bytes, rows: pl.DataFrame, seen: int) -> Outcome:
    """Feed new rows (model inputs by name, `SCORE`, and `at`) to the sequential test."""
    reference = against.reference
    windows = msgspec.msgpack.decode(state, type=_States) if state else []
    looked = against.far.flags(rows) if against.far is not None else rows
    slots, counts = observe(reference, looked, rows.get_column("at"))
    opened, found = feed(reference.test, windows, slots, counts, reference.slot)
    reading = {"rows": seen + rows.height, "features": len(reference.test.features)}
    return Outcome(reading, *_told(found), state=msgspec.msgpack.encode(opened))


def _told(found: Sequence[Finding]) -> tuple[list[str], str, dict[str, Any]]:
    if not found:
        return [], "", {}
    moved = sorted(found, key=lambda one: -one.effect)
    names = ["score" if one.feature == SCORE else one.feature for one in moved]
    hours = max(one.window for one in moved).total_seconds() / 3600
    text = f"moved within {hours:g} h: " + ", ".join(
        f"{name} (index {one.effect:.3f})" for name, one in zip(names[:5], moved, strict=False)
    )
    if names == [distance.COLUMN]:
        names, text = ["outliers"], f"more outliers than expected within {hours:g} h (index {moved[0].effect:.3f})"
    evidence = [
        {
            "feature": name,
            "window_hours": one.window.total_seconds() / 3600,
            "log_e": round(one.log_e, 2),
            "threshold": round(one.threshold, 2),
            "effect": round(one.effect, 4),
            "rows": one.rows,
        }
        for name, one in zip(names, moved, strict=True)
    ]
    return names, text, {"moved": evidence}


class Baseline(msgspec.Struct, frozen=True):
    """A champion's metric where it was judged, and how sure that is."""

    value: float
    error: float


def baseline(report: Report, name: str) -> Baseline | None:
    """From the champion's own evaluation; None where it has no such metric."""
    if name not in report.metrics or np.ndim(report.scores) != 1:
        return None
    rows: pl.DataFrame = report.rows
    days = _days(rows.get_column(ASKED)) if ASKED in rows.columns else np.zeros(rows.height)
    return Baseline(report.metrics[name], block_error(report.truth(), report.scores, days, name))


def _days(at: pl.Series) -> Any:
    return at.to_numpy().astype("datetime64[D]").astype(np.int64)


def look_at_quality(rule: Quality, against: Baseline, labelled: pl.DataFrame) -> Outcome:
    """Measure labelled predictions (columns at, score, label) against the champion's baseline.

    An alert needs enough labels, a drop of more than `by`, and one that is surely none by chance: `alarms_per_week` is
    spread over seven looks at a sliding window, and errors allow for whole days being good or bad.
    """
    known = labelled
    if known.get_column("label").null_count() or known.get_column("score").null_count():
        known = known.filter(pl.col("label").is_not_null() & pl.col("score").is_not_null())
    reading: dict[str, Any] = {"metric": rule.metric, "labels": known.height, "baseline": against.value}
    if known.height < rule.min_labels:
        return Outcome(reading)
    truth, scores = known.get_column("label").cast(pl.Float64).to_numpy(), known.get_column("score").to_numpy()
    value = metric(rule.metric).function(truth, scores)
    if math.isnan(value):
        return Outcome(reading)
    error = math.hypot(block_error(truth, scores, _days(known.get_column("at")), rule.metric), against.error)
    drop = -metric(rule.metric).gain(value, against.value)
    needed = NormalDist().inv_cdf(1 - rule.alarms_per_week / _LOOKS_PER_WINDOW) * error
    reading |= {"value": round(value, 6), "drop": round(drop, 6), "needed": round(max(needed, rule.by), 6)}
    if math.isnan(error) or drop <= needed or drop <= rule.by:
        return Outcome(reading)
    text = f"{rule.metric} {value:.4f} on {known.height} labels, {against.value:.4f} when it was judged"
    return Outcome(reading, [rule.metric], text, reading)


def look_at_age(rule: Staleness, serving: Serving, now: datetime) -> Outcome:
    """How old the champion is."""
    age = now - serving.champion.at
    days = round(age / _DAY, 2)
    reading = {"age_days": days, "limit_days": round(rule.age / _DAY, 2)}
    if age <= rule.age:
        return Outcome(reading)
    return Outcome(reading, ["age"], f"{serving.champion.ref} is {days:g} days old", reading)
