from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mulle.errors import UsageError
from mulle.stats import evaluation
from mulle.stats.evaluation import Report


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=2, max_size=60))
def test_roc_auc_is_that_of_scikit_learn_with_ties(pairs: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([one for one, _ in pairs]), np.array([place / 10 for _, place in pairs])
    found = evaluation.roc_auc(truth, scores)
    if truth.all() or not truth.any():
        assert math.isnan(found)
    else:
        assert found == pytest.approx(metrics.roc_auc_score(truth, scores))


def test_log_loss_is_that_of_scikit_learn() -> None:
    truth, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.4, 0.7])
    assert evaluation.log_loss(truth, scores) == pytest.approx(metrics.log_loss(truth, scores))


def test_a_sure_and_wrong_probability_costs_much_and_not_infinity() -> None:
    assert 30 < evaluation.log_loss([1], [0.0]) < 40


def test_regression_metrics() -> None:
    truth, scores = [1.0, 2.0, 4.0], [1.0, 3.0, 2.0]
    assert evaluation.rmse(truth, scores) == pytest.approx(math.sqrt(5 / 3))
    assert evaluation.mae(truth, scores) == pytest.approx(1.0)
    assert evaluation.r2(truth, scores) == pytest.approx(metrics.r2_score(truth, scores))


def test_calibration_tells_predicted_from_observed() -> None:
    bins = evaluation.calibration([0, 1, 1, 1], [0.05, 0.95, 0.95, 1.0])
    assert [(one.rows, one.observed) for one in bins] == [(1, 0.0), (3, 1.0)]


def rows(n: int = 400) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.random(n) < 0.4
    scores = np.clip(0.4 + 0.2 * truth + rng.normal(0, 0.2, n), 0, 1)
    return pl.DataFrame({"late": truth, "carrier": rng.choice(["AA", "UA"], n)}), scores


def test_rows_without_a_label_are_left_out() -> None:
    table, scores = rows()
    gapped = table.with_columns(late=pl.when(pl.int_range(400) < 100).then(None).otherwise(pl.col("late")))
    report = evaluation.evaluate(gapped, scores, label="late", slices=["carrier"])
    assert report.metrics["rows"] == 300
    assert set(report.slices["carrier"]) == {"AA", "UA"}


def test_a_report_comes_back_from_its_bytes_as_it_was() -> None:
    table, scores = rows()
    report = evaluation.evaluate(table, scores, label="late", slices=["carrier"])
    again = Report.from_bytes(report.to_bytes())
    assert again.to_bytes() == report.to_bytes()
    assert again.rows.equals(table)
    np.testing.assert_array_equal(again.scores, scores)


def test_a_multiclass_report_measures_the_class_of_the_largest_score() -> None:
    table = pl.DataFrame({"kind": ["a", "b", "b"]})
    scores = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    report = evaluation.evaluate(table, scores, label="kind", classes=["a", "b"])
    assert report.metrics["accuracy"] == pytest.approx(2 / 3)
    assert Report.from_bytes(report.to_bytes()).scores.shape == (3, 2)


def test_a_missing_label_column_is_told_with_the_columns_there_are() -> None:
    with pytest.raises(UsageError, match="carrier"):
        evaluation.evaluate(rows()[0], rows()[1], label="delayed")


def test_an_unknown_metric_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="roc_auc"):
        evaluation.metric("roc_acu")
