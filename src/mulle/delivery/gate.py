"""May this candidate serve? Pure: its report and the champion's scores on the same rows go in, a verdict comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.delivery.declare import AtLeast, BetterThanChampion, Check, LatencyP99, NoSliceWorse
from mulle.stats.bootstrap import paired_bootstrap
from mulle.stats.evaluation import MAIN, METRICS, Report, metric

Array = npt.NDArray[np.float64]

SEED = 20130101
_RESAMPLES = 200


class CheckResult(msgspec.Struct, frozen=True):
    """One check: passed, failed, or (None) not evaluated; why, and on what evidence."""

    check: str
    passed: bool | None
    reason: str
    evidence: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True):
    """The gate's answer: no check failed. What could not be evaluated is said and does not fail."""

    passed: bool
    checks: list[CheckResult]

    @property
    def reason(self) -> str:
        """The failed checks in words, or that all passed."""
        failed = [check.reason for check in self.checks if check.passed is False]
        return "; ".join(failed) or "; ".join(check.reason for check in self.checks) or "no checks are declared"


class Subject(msgspec.Struct, frozen=True):
    """What a gate judges.

    `champion` is None where there is no champion yet; then only absolute checks speak. `latency` is the measured 99th
    percentile in the serving environment, None where it cannot be measured (virtual time).
    """

    report: Report
    champion: Any = None
    latency: timedelta | None = None
    problem: str = ""


def judge(checks: Sequence[Check], subject: Subject, *, seed: int = SEED) -> Verdict:
    """Every check, in order. A candidate whose scores are not all finite never passes."""
    results = [_sound(subject)]
    results += [_one(check, subject, seed) for check in checks]
    kept = [result for result in results if result is not None]
    return Verdict(all(result.passed is not False for result in kept), kept)


def _one(check: Check, subject: Subject, seed: int) -> CheckResult:
    match check:
        case BetterThanChampion():
            return _better(check, subject, seed)
        case NoSliceWorse():
            return _slices(check, subject, seed)
        case AtLeast():
            return _absolute(check, subject)
        case LatencyP99():
            return _latency(check, subject)


def _sound(subject: Subject) -> CheckResult | None:
    scores = subject.report.scores
    if subject.problem:
        return CheckResult("evaluated", False, subject.problem)
    if scores is None or len(scores) == 0:
        return CheckResult("evaluated", False, "the candidate was registered without evaluated rows")
    broken = int((~np.isfinite(scores)).sum())
    return CheckResult("finite", False, f"{broken} scores are not numbers") if broken else None


def _comparable(subject: Subject, name: str) -> str:
    """Why the two cannot be compared by this metric; empty when they can."""
    if subject.champion is None:
        return "there is no champion yet"
    if subject.report.scores is None or np.ndim(subject.report.scores) > 1 or METRICS[name].task != subject.report.task:
        return f"{name} does not measure a {subject.report.task} model row by row"
    return ""


def _better(check: BetterThanChampion, subject: Subject, seed: int) -> CheckResult:
    name = metric(check.metric).name
    why = _comparable(subject, name)
    if why:
        return CheckResult("better_than_champion", None, why)
    two_sided = 2 * check.confidence - 1
    truth, scores = subject.report.truth(), subject.report.scores
    gain = paired_bootstrap(truth, subject.champion, scores, name, n=_RESAMPLES, seed=seed, confidence=two_sided)
    passed = gain.low > check.by
    word = "better than" if passed else "not surely better than"
    reason = f"{name} {word} the champion: {gain.gain:+.4f} (at least {gain.low:+.4f} at {check.confidence:.0%})"
    mine, theirs = METRICS[name].function(truth, scores), METRICS[name].function(truth, subject.champion)
    evidence = {
        "metric": name,
        "candidate": mine,
        "champion": theirs,
        "gain": msgspec.to_builtins(gain),
        "by": check.by,
    }
    return CheckResult("better_than_champion", passed, reason, evidence)


def _slices(check: NoSliceWorse, subject: Subject, seed: int) -> CheckResult:
    name = metric(check.metric or MAIN[subject.report.task]).name
    why = _comparable(subject, name)
    if not why and check.column not in subject.report.rows.columns:
        why = f"the evaluated rows have no column '{check.column}'"
    if why:
        return CheckResult("no_slice_worse", None, why)
    truth, scores, champion = subject.report.truth(), subject.report.scores, np.asarray(subject.champion)
    worse, seen = {}, 0
    for value, member in _members(subject.report.rows.get_column(check.column), check.min_rows):
        seen += 1
        function = METRICS[name].function
        gain = METRICS[name].gain(function(truth[member], scores[member]), function(truth[member], champion[member]))
        if gain < -check.by:
            sure = paired_bootstrap(truth[member], champion[member], scores[member], name, n=_RESAMPLES, seed=seed)
            if sure.high < 0:
                worse[value] = msgspec.to_builtins(sure)
    reason = f"no {check.column} of {seen} is surely worse by more than {check.by}"
    if worse:
        names = ", ".join(f"{value} ({gain['gain']:+.4f})" for value, gain in worse.items())
        reason = f"{name} is worse by more than {check.by} for {check.column} {names}"
    return CheckResult("no_slice_worse", not worse, reason, {"metric": name, "slices": seen, "worse": worse})


def _members(column: pl.Series, min_rows: int) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    names = column.cast(pl.String).fill_null("null")
    members = [(str(name), (names == name).to_numpy()) for name in sorted(names.unique().to_list())]
    return [(name, member) for name, member in members if int(member.sum()) >= min_rows]


def _absolute(check: AtLeast, subject: Subject) -> CheckResult:
    chosen = metric(check.metric)
    value = subject.report.metrics.get(check.metric)
    if value is None:
        return CheckResult("at_least", None, f"the report has no {check.metric}")
    passed = chosen.gain(value, check.value) >= 0
    word = "reaches" if passed else "misses"
    evidence = {"metric": check.metric, "value": value, "needed": check.value}
    return CheckResult("at_least", passed, f"{check.metric} {value:.4f} {word} {check.value}", evidence)


def _latency(check: LatencyP99, subject: Subject) -> CheckResult:
    limit = check.limit.total_seconds() * 1000
    if subject.latency is None:
        return CheckResult("latency_p99", None, "latency is not evaluated in virtual time", {"limit_ms": limit})
    found = subject.latency.total_seconds() * 1000
    passed = subject.latency <= check.limit
    reason = f"99 of 100 one-row predictions take at most {found:.2f} ms (limit {limit:g} ms)"
    return CheckResult("latency_p99", passed, reason, {"limit_ms": limit, "p99_ms": found})
