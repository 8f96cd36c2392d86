"""The drift monitor's false-alarm table: quiet weeks, weeks with a harmless wobble, and how soon a shift is found.

    python benchmarks/false_alarms.py [--weeks 160] [--shifts 40]

Twenty features of independent rows in hourly batches of 1,000, judged against 50,000 reference rows by the default
rule of `mulle.drift()`; 920 labels a day judged by that of `mulle.quality()`.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mulle.monitoring.declare import drift, quality
from mulle.monitoring.looking import baseline, look_at_quality
from mulle.monitoring.reference import build, observe
from mulle.stats.evaluation import evaluate
from mulle.stats.sequential import OpenWindow, feed

FEATURES, BATCH, REFERENCE, HOURS = 20, 1000, 50_000, 168
START = datetime(2026, 1, 5, tzinfo=UTC)


def frame(rng: np.random.Generator, rows: int, shift: np.ndarray | float = 0.0) -> pl.DataFrame:
    values = rng.normal(size=(rows, FEATURES)) + shift
    return pl.DataFrame({f"x{i}": values[:, i] for i in range(FEATURES)})


def week(seed: int, shift: float = 0.0, wobble: float = 0.0) -> int | None:
    """The hour of the first alarm in a week, if there is one; the shift is in one feature only."""
    rng = np.random.default_rng(seed)
    reference = frame(rng, REFERENCE)
    hours = np.arange(REFERENCE) * HOURS // REFERENCE
    if wobble:
        reference = reference + pl.DataFrame(
            {f"x{i}": wobble * np.sin(2 * np.pi * hours / 24) for i in range(FEATURES)}
        )
    start = int(START.timestamp() // 3600)
    times = pl.Series("at", (start - HOURS + hours) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    ref = build(reference, times, [f"x{i}" for i in range(FEATURES)], drift())
    state: list[OpenWindow] = []
    for hour in range(HOURS):
        moved = np.zeros(FEATURES)
        moved[0] = shift
        batch = frame(rng, BATCH, moved + wobble * np.sin(2 * np.pi * hour / 24))
        at = pl.Series("at", [START + timedelta(hours=hour)]).cast(pl.Datetime("us", "UTC")).new_from_index(0, BATCH)
        slots, counts = observe(ref, batch, at)
        state, found = feed(ref.test, state, slots, counts, ref.slot)
        if found:
            return hour + 1
    return None


def quality_week(seed: int, fall: float = 0.0) -> int | None:
    """The day of the first quality alarm in a week after a quiet one; `fall` dims the model's skill."""
    rng = np.random.default_rng(seed)

    def answers(rows: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.random(rows) < 0.25
        return truth, 1 / (1 + np.exp(-(skill * truth + rng.normal(size=rows))))

    truth, scores = answers(12_880, 0.7)
    days = pl.Series("__asked", np.repeat(np.arange(14), 920) * 86_400_000_000).cast(pl.Datetime("us", "UTC"))
    report = evaluate(pl.DataFrame({"late": truth, "__asked": days}), scores, label="late")
    against = baseline(report, "roc_auc")
    assert against is not None
    frames = [answers(920, 0.7 - (fall if day >= 7 else 0.0)) for day in range(14)]
    for day in range(7, 15):
        window = frames[max(day - 7, 0) : day]
        at = pl.Series(np.repeat(np.arange(len(window)), 920) * 86_400_000_000).cast(pl.Datetime("us", "UTC"))
        seen = pl.DataFrame({
            "at": at,
            "label": np.concatenate([truth for truth, _ in window]),
            "score": np.concatenate([scores for _, scores in window]),
        })  # fmt: skip
        if look_at_quality(quality("roc_auc"), against, seen).subjects:
            return day - 7
    return None


def table(weeks: int, shifts: int) -> dict[str, object]:
    quiet = [week(seed) for seed in range(weeks)]
    wobbling = [week(seed, wobble=0.05) for seed in range(weeks)]
    found = [week(10_000 + seed, shift=0.1) for seed in range(shifts)]
    calm = [quality_week(seed) for seed in range(weeks)]
    fallen = [quality_week(20_000 + seed, fall=0.35) for seed in range(shifts)]
    days = sorted(day for day in fallen if day is not None)
    hours = sorted(hour for hour in found if hour is not None)
    return {
        "quiet_weeks": weeks,
        "alarms_in_quiet_weeks": sum(hour is not None for hour in quiet),
        "alarms_in_wobbling_weeks": sum(hour is not None for hour in wobbling),
        "shifts": shifts,
        "shifts_found": len(hours),
        "median_hours_to_find": hours[len(hours) // 2] if hours else None,
        "worst_hours_to_find": hours[-1] if hours else None,
        "quality_alarms_in_quiet_weeks": sum(day is not None for day in calm),
        "quality_falls_found": len(days),
        "median_days_to_find_a_fall": days[len(days) // 2] if days else None,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=160)
    parser.add_argument("--shifts", type=int, default=40)
    chosen = parser.parse_args()
    began = time.process_time()
    print(
        json.dumps(
            table(chosen.weeks, chosen.shifts) | {"cpu_seconds": round(time.process_time() - began, 1)}, indent=1
        )
    )
