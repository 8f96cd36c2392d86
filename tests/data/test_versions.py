from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from mulle.data import DataService
from mulle.errors import DataError, UnknownNameError, UsageError


@pytest.fixture
def three(data: DataService) -> Any:
    return [data.commit("x", pl.DataFrame({"x": range(number)})) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("ref", "number"),
    [("x", 3), ("x@1", 1), ("x@HEAD", 3), ("x@HEAD~1", 2), ("x@HEAD~2", 1), ("dataset:x@2", 2), (" x ", 3)],
)
def test_a_reference_means_a_version(data: DataService, three: Any, ref: Any, number: Any) -> None:
    assert data.resolve(ref).number == number


def test_a_digest_means_its_version(data: DataService, three: Any) -> None:
    assert data.resolve(f"x@{three[1].digest[:12]}") == three[1]
    assert data.resolve(f"x@{three[0].logical}") == three[0]


@pytest.mark.parametrize(
    ("ref", "cause"),
    [
        ("x@4", "the newest is x@3"),
        ("x@HEAD~3", "x@1 has no parent"),
        ("x@b3:", "3 versions begin so"),
        ("x@b3:00", "no version has that digest"),
        ("x@before after", "a number, a digest"),
        ("x@yesterday", "there are: main"),
    ],
)
def test_a_reference_to_nothing_says_why(data: DataService, three: Any, ref: Any, cause: Any) -> None:
    with pytest.raises((DataError, UsageError), match=cause):
        data.resolve(ref)


def test_an_unknown_name_suggests_the_nearest(data: DataService) -> None:
    data.commit("flights", pl.DataFrame({"x": [1]}))
    with pytest.raises(UnknownNameError, match="did you mean 'flights'"):
        data.resolve("flihgts@2")


def test_before_any_commit_there_is_nothing_to_suggest(data: DataService) -> None:
    with pytest.raises(UnknownNameError, match="there is no dataset yet"):
        data.resolve("x")
