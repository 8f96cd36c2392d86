from __future__ import annotations

import numpy as np
import polars as pl

from mulle.stats.binning import count, fit, matrix


def test_numbers_are_cut_at_quantiles_and_nulls_apart() -> None:
    column = pl.Series("x", [*map(float, range(1000)), None])
    bins = fit(column)
    codes = bins.codes(column)
    assert bins.size == 11
    assert np.bincount(codes).tolist() == [100] * 10 + [1]


def test_a_number_with_few_values_has_a_bin_for_each() -> None:
    column = pl.Series("x", [1, 2, 2, 5])
    assert fit(column).codes(column).tolist() == [0, 1, 1, 2]


def test_text_is_cut_by_its_frequent_values() -> None:
    bins = fit(pl.Series("c", ["a"] * 500 + ["b"] * 300 + ["rare"]))
    assert bins.codes(pl.Series("c", ["a", "b", "rare", "never seen", None])).tolist() == [0, 1, 2, 2, 3]


def test_booleans_are_text_of_two_values() -> None:
    column = pl.Series("b", [True, True, False, None])
    assert fit(column).codes(column).tolist() == [0, 0, 1, 3]


def test_a_missing_column_counts_as_null() -> None:
    bins = [fit(pl.Series("x", [1.0, 2.0]))]
    assert matrix(bins, pl.DataFrame({"y": [1]})).tolist() == [[2]]


def test_counting_by_group() -> None:
    codes = np.array([[0, 1], [1, 1], [0, 0]])
    found = count(codes, np.array([0, 0, 1]), 2, 2)
    assert found.tolist() == [[[1, 1], [0, 2]], [[1, 0], [1, 0]]]


def test_many_rows_are_placed_as_few_are() -> None:
    rng = np.random.default_rng(0)
    numbers = pl.Series("x", [*rng.normal(size=9_000), None, float("nan"), float("inf"), -float("inf")])
    texts = pl.Series("c", [*(f"v{i}" for i in rng.integers(0, 30, 9_000)), None])
    for column in (numbers, texts):
        bins = fit(column)
        few = [bins.codes(column.slice(place, 100)) for place in range(0, len(column), 100)]
        assert bins.codes(column).tolist() == np.concatenate(few).tolist()
