from __future__ import annotations

import polars as pl
import pytest

from mulle.data import DataService, dataset
from mulle.stats.schema import Schema, column
from mulle.validation import ValidationService


class Person(Schema):
    name: str
    age: int = column(maximum=120)


DATASETS = {"people": dataset("people", expect=Person)}


@pytest.fixture
def validation(data: DataService) -> ValidationService:
    return ValidationService(data, lambda: DATASETS)


def test_a_fitting_version_passes(data: DataService, validation: ValidationService) -> None:
    data.commit("people", pl.DataFrame({"name": ["Ann"], "age": [30]}))
    checked = validation.check("people")
    assert (checked.ref, checked.rows, checked.passed) == ("people@1", 1, True)


def test_value_skew_is_reported_and_usable(data: DataService, validation: ValidationService) -> None:
    data.commit("people", pl.DataFrame({"name": ["Ann", "Bo"], "age": [30, 130]}))
    checked = validation.check("people")
    assert [(each.column, each.rule, each.rows) for each in checked.violations] == [("age", "maximum", 1)]
    assert (checked.passed, checked.usable) == (False, True)


def test_schema_skew_is_not_usable(data: DataService, validation: ValidationService) -> None:
    data.commit("people", pl.DataFrame({"name": ["Ann"]}))
    checked = validation.check("people")
    assert ([each.rule for each in checked.violations], checked.usable) == (["missing"], False)


def test_a_dataset_without_schema_has_nothing_to_break(data: DataService, validation: ValidationService) -> None:
    data.commit("other", pl.DataFrame({"x": [1]}))
    assert validation.check("other").declared is False
