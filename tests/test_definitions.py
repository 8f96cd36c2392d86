import pytest

from mulle.definitions import Definitions, collecting, define
from mulle.errors import ProjectError, UnknownNameError


def test_what_is_defined_is_collected() -> None:
    with collecting() as definitions:
        define("dataset", "flights", 1)
        define("dataset", "weather", 2)
    assert definitions.all("dataset") == {"flights": 1, "weather": 2}


def test_outside_a_collection_nothing_happens() -> None:
    define("dataset", "flights", 1)
    with collecting() as definitions:
        pass
    assert definitions.all("dataset") == {}


def test_the_inner_collection_collects() -> None:
    with collecting() as outer, collecting() as inner:
        define("dataset", "flights", 1)
    assert (outer.all("dataset"), inner.get("dataset", "flights")) == ({}, 1)


def test_a_collection_may_be_given() -> None:
    given = Definitions()
    with collecting(given):
        define("dataset", "flights", 1)
    assert given.get("dataset", "flights") == 1


def test_two_of_one_name_are_an_error() -> None:
    with collecting(), pytest.raises(ProjectError, match="defined twice"):  # noqa: PT012
        define("dataset", "flights", object())
        define("dataset", "flights", object())


def test_the_same_one_twice_is_once() -> None:
    one = object()
    with collecting() as definitions:
        define("dataset", "flights", one)
        define("dataset", "flights", one)
    assert definitions.get("dataset", "flights") is one


def test_an_unknown_name_suggests_the_nearest() -> None:
    with collecting() as definitions:
        define("feature_view", "origin_weather", 1)
    with pytest.raises(UnknownNameError, match=r"unknown feature view 'origin_wether'\n.*'origin_weather'"):
        definitions.get("feature_view", "origin_wether")
