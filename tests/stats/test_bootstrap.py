from __future__ import annotations

import math

import numpy as np
import pytest

from mulle.stats import evaluation
from mulle.stats.bootstrap import paired_bootstrap, resampled
from mulle.stats.error import block_error, standard_error


def world(n: int = 2000, gain: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    truth = (rng.random(n) < 0.3).astype(float)
    noise = rng.normal(0, 1, n)
    return truth, 1 / (1 + np.exp(-(truth + noise))), 1 / (1 + np.exp(-((1 + gain) * truth + noise)))


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier", "rmse", "mae", "r2"])
def test_a_resample_by_counts_is_the_metric_of_the_repeated_rows(name: str) -> None:
    truth, one, _ = world(300)
    one = np.round(one, 2)
    counts = np.bincount(np.random.default_rng(1).integers(0, 300, 300), minlength=300).astype(float)
    drawn = np.repeat(np.arange(300), counts.astype(int))
    chosen = evaluation.metric(name)
    assert resampled(chosen, truth, one, counts[None, :])[0] == pytest.approx(chosen.function(truth[drawn], one[drawn]))


def test_a_better_model_gains_surely() -> None:
    truth, one, two = world()
    found = paired_bootstrap(truth, one, two, "roc_auc", n=200)
    assert 0 < found.low < found.gain < found.high


def test_gain_is_positive_for_the_better_one_also_where_less_is_better() -> None:
    truth, one, _ = world()
    assert paired_bootstrap(truth, one, np.clip(truth, 0.1, 0.9), "log_loss", n=50).gain > 0


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, one, two = world()
    assert paired_bootstrap(truth, one, two, seed=4, n=50) == paired_bootstrap(truth, one, two, seed=4, n=50)


def test_one_class_only_is_not_a_number() -> None:
    assert math.isnan(paired_bootstrap([1, 1], [0.1, 0.2], [0.2, 0.3]).low)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "rmse"])
def test_the_standard_error_is_that_of_the_bootstrap(name: str) -> None:
    truth, one, _ = world()
    rng = np.random.default_rng(2)
    counts = np.stack([np.bincount(rng.integers(0, 2000, 2000), minlength=2000) for _ in range(300)]).astype(float)
    drawn = resampled(evaluation.metric(name), truth, one, counts).std()
    assert standard_error(truth, one, name) == pytest.approx(drawn, rel=0.15)


def test_days_that_share_their_luck_make_the_error_larger() -> None:
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(8), 200)
    truth = (rng.random(1600) < 0.5).astype(float)
    skill = np.repeat(rng.normal(0, 2, 8), 200)
    scores = skill * truth + rng.normal(0, 1, 1600)
    assert block_error(truth, scores, days, "roc_auc") > 2 * standard_error(truth, scores, "roc_auc")
