from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Table, insert, select
from sqlalchemy.exc import StatementError

from mulle.catalog import Catalog, Instant, Json


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_comes_back_to_the_microsecond(at: datetime) -> None:
    column: Any = Instant()
    assert column.process_result_value(column.process_bind_param(at, None), None) == at


def test_an_instant_is_kept_in_utc(catalog: Catalog, things: Table) -> None:
    at = datetime(2013, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a", at=at))
        row = tx.one(select(things))
    assert row is not None
    assert (row.at, row.at.tzinfo) == (at, UTC)


def test_instants_compare(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a", at=tx.now))
        assert tx.one(select(things).where(things.c.at >= tx.now)) is not None
        assert tx.one(select(things).where(things.c.at > tx.now)) is None


def test_a_naive_instant_is_refused(catalog: Catalog, things: Table) -> None:
    with pytest.raises((StatementError, TypeError)), catalog.write() as tx:
        tx.execute(insert(things).values(name="a", at=datetime(2013, 1, 1)))  # noqa: DTZ001


class Point(msgspec.Struct):
    y: int
    x: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1, 2.5, None, "물레"]}, '{"a":[1,2.5,null,"물레"],"b":1}'),
        (Point(2, 1), '{"x":1,"y":2}'),
        (None, None),
    ],
)
def test_json_has_one_spelling(value: Any, text: str | None) -> None:
    column: Any = Json()
    assert column.process_bind_param(value, None) == text


def test_json_comes_back(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a", data={"deep": [1, {"er": None}]}))
        assert tx.scalar(select(things.c.data)) == {"deep": [1, {"er": None}]}
