from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.tuning.automl.tables import orders

from mulle.errors import DataError, UnknownNameError
from mulle.tuning.automl.problem import MOST_COLUMNS, problem_of


def test_each_column_is_put_where_it_belongs() -> None:
    found = problem_of(orders(), "returned", time="at")
    assert (found.task, found.metric) == ("binary", "roc_auc")
    assert found.numbers == ["basket", "items", "shop"]
    assert found.categories == ["country"]
    assert found.dates == {"at": ["weekday", "hour", "month", "ordinal_day"]}
    assert found.trend == ["at_month", "at_ordinal_day"]
    assert {"order", "empty", "same", "refund"} <= set(found.dropped)


def test_a_column_that_gives_the_answer_away_is_left_out_and_told() -> None:
    table = orders().with_columns(copy=pl.col("returned"))
    assert {warning.split()[0] for warning in problem_of(table, "returned").warnings} == {"refund", "copy"}


def test_text_and_numbers_are_asked_about_by_the_value_that_means_yes() -> None:
    table = orders().with_columns(returned=pl.when("returned").then(pl.lit("yes")).otherwise(pl.lit("no")))
    assert problem_of(table.drop("refund"), "returned").positive == "yes"


def test_few_whole_numbers_are_classes_and_many_are_not() -> None:
    table = orders().drop("refund", "returned")
    assert problem_of(table, "items").task == "multiclass"
    assert problem_of(table, "basket").task == "regression"


def test_parts_of_the_time_that_never_come_again_are_set_apart() -> None:
    assert problem_of(orders(), "returned", time="at").trend == ["at_month", "at_ordinal_day"]
    assert problem_of(orders(), "returned").trend == []


def test_of_thirty_thousand_columns_the_strongest_are_kept() -> None:
    random = np.random.default_rng(0)
    truth = random.random(200) < 0.5
    wide = {f"c{number}": random.random(200).astype(np.float32) for number in range(30_000)}
    wide["good"] = (truth + random.random(200)).astype(np.float32)
    found = problem_of(pl.DataFrame({**wide, "y": truth}), "y")
    assert len(found.numbers) == MOST_COLUMNS
    assert "good" in found.numbers


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pl.DataFrame({"x": [1.0] * 0, "y": [True] * 0}), "no rows"),
        (pl.DataFrame({"x": range(10), "y": [True, False] * 5}), "10 rows"),
        (pl.DataFrame({"x": range(100), "y": [1] * 100}), "only the value 1"),
        (pl.DataFrame({"x": range(100), "y": [None] * 100}), "0 rows with a 'y'"),
        (pl.DataFrame({"x": range(2000), "y": [f"t{n % 1000}" for n in range(2000)]}), "1000 different texts"),
        (pl.DataFrame({"y": [True, False] * 50}), "no column is left"),
        (pl.DataFrame({"x": [None] * 100, "y": [True, False] * 50}), "no column is left"),
        (pl.DataFrame({"x": range(100), "y": [[1]] * 100}), "is List"),
    ],
)
def test_what_cannot_be_learned_is_told(table: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError) as caught:
        problem_of(table, "y")
    assert said in caught.value.message
    assert caught.value.cure


def test_columns_and_metrics_that_are_not_there_are_told() -> None:
    with pytest.raises(UnknownNameError, match="retuned"):
        problem_of(orders(), "retuned")
    with pytest.raises(UnknownNameError, match="rmse"):
        problem_of(orders(), "returned", metric="rmse")


def test_a_split_by_time_needs_a_time_in_every_row() -> None:
    with pytest.raises(DataError, match="cannot be split by 'items'"):
        problem_of(orders(), "returned", time="items")
