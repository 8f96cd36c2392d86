from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from mulle.delivery.declare import AtLeast, BetterThanChampion, Check, LatencyP99, NoSliceWorse
from mulle.delivery.gate import Subject, judge
from mulle.stats.evaluation import Report, evaluate

RNG = np.random.default_rng(7)
TRUTH = RNG.random(3000) < 0.4
NOISE = RNG.normal(0, 1, 3000)
CARRIER = np.array(["AA", "UA", "DL"])[RNG.integers(0, 3, 3000)]


def scores(skill: float, *, but: str = "") -> np.ndarray:
    kept = np.where(but == CARRIER, -skill, skill) if but else skill
    return 1 / (1 + np.exp(-(kept * TRUTH + NOISE)))


def report(given: np.ndarray) -> Report:
    return evaluate(pl.DataFrame({"late": TRUTH, "carrier": CARRIER}), given, label="late")


def test_a_better_candidate_passes() -> None:
    assert judge([BetterThanChampion("roc_auc")], Subject(report(scores(2.0)), scores(1.0))).passed


def test_a_worse_candidate_is_refused_with_the_figures() -> None:
    verdict = judge([BetterThanChampion("roc_auc")], Subject(report(scores(1.0)), scores(2.0)))
    assert not verdict.passed
    assert "roc_auc not surely better" in verdict.reason


def test_an_equal_candidate_is_refused() -> None:
    assert not judge([BetterThanChampion("roc_auc")], Subject(report(scores(1.0)), scores(1.0))).passed


def test_a_slice_that_got_worse_is_named() -> None:
    verdict = judge([NoSliceWorse("carrier", 0.03)], Subject(report(scores(2.0, but="UA")), scores(1.0)))
    assert not verdict.passed
    assert "UA" in verdict.reason
    assert "AA" not in verdict.reason


def test_without_a_champion_only_absolute_checks_speak() -> None:
    checks: list[Check] = [BetterThanChampion("roc_auc"), NoSliceWorse("carrier", 0.03), AtLeast("roc_auc", 0.99)]
    verdict = judge(checks, Subject(report(scores(1.0))))
    assert [check.passed for check in verdict.checks] == [None, None, False]


def test_latency_that_cannot_be_measured_is_said_and_does_not_fail() -> None:
    verdict = judge([LatencyP99(timedelta(milliseconds=5))], Subject(report(scores(1.0))))
    assert verdict.passed
    assert "not evaluated" in verdict.reason


def test_latency_over_the_limit_fails() -> None:
    subject = Subject(report(scores(1.0)), latency=timedelta(milliseconds=6))
    assert not judge([LatencyP99(timedelta(milliseconds=5))], subject).passed


def test_scores_that_are_not_numbers_never_pass() -> None:
    broken = scores(3.0)
    broken[3] = np.nan
    assert not judge([], Subject(report(broken), scores(1.0))).passed


def test_a_metric_where_less_is_better() -> None:
    assert judge([AtLeast("log_loss", 5.0)], Subject(report(scores(1.0)))).passed
    assert not judge([AtLeast("log_loss", 0.01)], Subject(report(scores(1.0)))).passed


def test_a_candidate_without_evaluated_rows_is_refused() -> None:
    bare = report(scores(1.0)).summary()
    assert not judge([], Subject(bare)).passed
