from __future__ import annotations

from datetime import datetime

import pytest

from mulle.errors import ProjectError
from mulle.stats.schema import Schema, column, outcome


class Flight(Schema):
    flight: str = column(unique=True)
    at: datetime
    distance: float | None = column(minimum=0, maximum=5000)
    origin: str = column(values=["EWR", "JFK"])
    late: bool | None = outcome()


class Charter(Flight):
    customer: str


def test_columns_come_in_their_order_with_their_kinds() -> None:
    assert [(spec.name, spec.kind) for spec in Flight.columns().values()] == [
        ("flight", "str"),
        ("at", "datetime"),
        ("distance", "float"),
        ("origin", "str"),
        ("late", "bool"),
    ]


def test_a_union_with_none_is_nullable() -> None:
    assert Flight.columns()["distance"].nullable
    assert not Flight.columns()["at"].nullable


def test_limits_are_kept() -> None:
    distance = Flight.columns()["distance"]
    assert (distance.minimum, distance.maximum) == (0, 5000)
    assert Flight.columns()["origin"].values == ("EWR", "JFK")


def test_outcomes_are_marked_and_nullable() -> None:
    assert Flight.outcomes() == ["late"]
    assert Flight.columns()["late"].nullable


def test_a_subclass_adds_columns() -> None:
    assert list(Charter.columns()) == [*Flight.columns(), "customer"]


def test_an_annotation_that_no_column_can_have_is_an_error() -> None:
    class Odd(Schema):
        shape: complex

    with pytest.raises(ProjectError, match=r"Odd\.shape"):
        Odd.columns()


def test_a_default_value_is_an_error_with_its_cure() -> None:
    class Odd(Schema):
        distance: float = 3.0

    with pytest.raises(ProjectError, match=r"mulle\.column"):
        Odd.columns()
