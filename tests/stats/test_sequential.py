from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from mulle.stats import sequential
from mulle.stats.sequential import OpenWindow, feed

HOUR = timedelta(hours=1)


def test_log_gamma_is_that_of_the_standard_library() -> None:
    values = np.array([1e-3, 0.5, 1.0, 2.5, 17.0, 1e3, 1e6])
    expected = [math.lgamma(value) for value in values]
    np.testing.assert_allclose(sequential.log_gamma(values), expected, rtol=1e-10, atol=1e-10)


def test_the_expected_e_value_is_one_under_the_null() -> None:
    """Exactly: the sum over all counts of a small window of probability under the null times e-value."""
    shares, concentration, rows = np.array([[0.3, 0.7]]), np.array([20.0]), 6
    total = 0.0
    for hits in range(rows + 1):
        counts = np.array([[hits, rows - hits]])
        log_null = sequential._log_probability(counts.astype(float), np.array([6.0]), shares, concentration)
        e_value = math.exp(sequential.log_e_values(counts, shares, concentration)[0])
        total += math.comb(rows, hits) * math.exp(log_null[0]) * e_value
    assert total == pytest.approx(1.0)


def test_padding_changes_nothing() -> None:
    narrow = sequential.log_e_values(np.array([[5, 9]]), np.array([[0.5, 0.5]]), np.array([50.0]))
    wide = sequential.log_e_values(np.array([[5, 9, 0]]), np.array([[0.5, 0.5, 0.0]]), np.array([50.0]))
    np.testing.assert_allclose(narrow, wide)


def test_the_stability_index_is_about_the_squared_shift() -> None:
    rng = np.random.default_rng(0)
    edges = np.quantile(rng.normal(size=400_000), np.arange(1, 10) / 10)
    counts = np.bincount(np.searchsorted(edges, rng.normal(0.3, 1, 400_000)), minlength=10)
    assert sequential.stability_index(counts[None, :], np.full((1, 10), 0.1))[0] == pytest.approx(0.09, rel=0.15)


def test_a_reference_that_wobbles_is_less_steady() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([[0.5, 0.5], [0.5, 0.5]])
    steady = rng.binomial(1000, 0.5, 60)
    wobbling = rng.binomial(1000, 0.5 + 0.1 * np.sin(np.arange(60)))
    blocks = np.stack([np.stack([one, 1000 - one], axis=-1) for one in (steady, wobbling)], axis=1)
    found = sequential.concentrations(blocks, shares, limit=60_000.0)
    assert found[0] > 5_000
    assert found[1] < 200


def quiet_test(floor: float = 0.01) -> sequential.Test:
    windows = tuple(timedelta(hours=hours) for hours in (1, 2, 4))
    steady = sequential.Steadiness([[1e5]] * 3, [[floor]] * 3)
    return sequential.Test(["x"], [[0.5, 0.5]], windows, steady, 100, 0.01)


def fed(counts: list[int], state: list[OpenWindow] | None = None, first: int = 0) -> tuple[list[OpenWindow], list[str]]:
    table = np.array([[[one, 1000 - one]] for one in counts])
    slots = np.arange(first, first + len(counts))
    opened, found = feed(quiet_test(), state or [], slots, table, HOUR)
    return opened, [one.feature for one in found]


def test_a_shift_is_found() -> None:
    assert fed([600, 600])[1] == ["x"]


def test_what_stays_as_it_was_is_not() -> None:
    assert fed([505, 490, 500, 495])[1] == []


def test_an_effect_below_the_floor_is_not_worth_an_alarm() -> None:
    counts = np.array([[[520, 480]]]) * 100
    assert feed(quiet_test(), [], np.array([0]), counts, HOUR)[1] == []


def test_too_few_rows_say_nothing() -> None:
    assert feed(quiet_test(), [], np.array([0]), np.array([[[90, 0]]]), HOUR)[1] == []


def test_batches_may_be_cut_anywhere() -> None:
    whole, _ = fed([520, 530, 480, 610, 500])
    state, _ = fed([520, 530])
    pieces, _ = fed([480, 610, 500], state, first=2)
    assert pieces == whole
