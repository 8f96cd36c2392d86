"""The same behaviour on SQLite and on PostgreSQL, and what is PostgreSQL's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import mulle
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, ProjectError, SchemaSkewError, UnknownNameError
from mulle.stats.schema import Schema, column
from mulle.testing.postgresql import PostgreSQL

START = datetime(2024, 1, 1, tzinfo=UTC)
Run = Callable[..., object]

pytestmark = pytest.mark.xdist_group("postgresql")


class Shop:
    """A database with a table `orders(id, price, at)`; `at` is text in SQLite and an instant in PostgreSQL."""

    def __init__(self, url: str, run: Run) -> None:
        self.url = url
        self.run = run

    def put(self, number: int, price: float | None = 1.0, minutes: float | None = 0) -> None:
        at = None if minutes is None else (START + timedelta(minutes=minutes)).isoformat()
        self.run("DELETE FROM orders WHERE id = ?", number)
        self.run("INSERT INTO orders VALUES (?, ?, ?)", number, price, at)

    def orders(self, cursor: str | None = "at", **more: Any) -> Any:
        return mulle.sql(self.url, more.pop("table", "orders"), cursor=cursor, **more)


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> Iterator[Shop]:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (id integer, price real, at text)")
    yield Shop("sqlite:///shop.db", lambda text, *values: connection.execute(text, values))
    connection.close()


@pytest.fixture
def postgres_shop(postgresql: PostgreSQL) -> Iterator[Shop]:
    url = postgresql.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id bigint, price double precision, at timestamptz)")
        yield Shop(url, lambda text, *values: connection.execute(text.replace("?", "%s").encode(), values))


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest) -> Shop:
    found: Shop = request.getfixturevalue(f"{request.param}_shop")
    return found


def ids(data: DataService, name: str = "rows") -> list[int]:
    found: list[int] = data.read(name)["id"].to_list()
    return found


def test_only_new_rows_are_taken(collect: Any, data: DataService, shop: Shop) -> None:
    for number in range(3):
        shop.put(number, minutes=number)
    assert (collect(shop.orders()), collect(shop.orders())) == ([3], [])
    shop.put(3, minutes=3)
    assert (collect(shop.orders()), collect(shop.orders())) == ([4], [])
    assert ids(data) == [0, 1, 2, 3]


def test_rows_that_share_a_cursor_are_neither_lost_nor_doubled(collect: Any, data: DataService, shop: Shop) -> None:
    source = shop.orders(overlap=0, batch=2)
    for number in range(5):
        shop.put(number, minutes=7)
    assert collect(source) == [2, 4, 5]
    shop.put(5, minutes=7)
    assert collect(source) == [6]
    assert sorted(ids(data)) == list(range(6))


def test_equal_rows_are_counted(collect: Any, data: DataService, shop: Shop) -> None:
    for times in (2, 3):
        for _ in range(times):
            shop.run("INSERT INTO orders VALUES (1, 1.0, ?)", START.isoformat())
        collect(shop.orders())
    assert ids(data) == [1] * 5


def test_a_row_whose_transaction_ended_late_is_taken_within_the_overlap(
    collect: Any, data: DataService, shop: Shop
) -> None:
    if shop.url.startswith("sqlite"):
        pytest.skip("text has no distance")
    shop.put(1, minutes=10)
    collect(shop.orders(overlap="5m"))
    shop.put(2, minutes=6)
    shop.put(3, minutes=4)
    collect(shop.orders(overlap="5m"))
    assert ids(data) == [1, 2], "what is older than the overlap is not seen, as documented"


def test_a_rising_number_is_a_cursor(collect: Any, data: DataService, shop: Shop) -> None:
    source = shop.orders("id")
    for number in (5, 7):
        shop.put(number)
    collect(source)
    shop.put(6)
    shop.put(8)
    collect(source)
    assert sorted(ids(data)) == [5, 6, 7, 8]


def test_a_changed_row_replaces_the_one_with_its_key(collect: Any, data: DataService, shop: Shop) -> None:
    for number in range(3):
        shop.put(number, price=1.0, minutes=number)
    collect(shop.orders(), key=["id"])
    shop.put(1, price=9.0, minutes=50)
    shop.put(3, price=2.0, minutes=51)
    assert collect(shop.orders(), key=["id"]) == [4]
    assert data.read("rows")["price"].to_list() == [1.0, 9.0, 1.0, 2.0]
    assert data.diff("rows@1", "rows@2").rows is not None


def test_deleted_rows_are_not_seen(collect: Any, data: DataService, shop: Shop) -> None:
    shop.put(1)
    collect(shop.orders())
    shop.run("DELETE FROM orders WHERE id = 1")
    assert collect(shop.orders()) == []
    assert ids(data) == [1]


def test_a_row_without_cursor_is_put_aside_once(collect: Any, data: DataService, shop: Shop) -> None:
    shop.put(1)
    shop.put(2, minutes=None)
    collect(shop.orders())
    shop.put(3, minutes=None)
    collect(shop.orders())
    collect(shop.orders())
    held = data.read("rows.quarantine")
    assert held["reason"].to_list() == ["the cursor at is empty"] * 2
    shop.put(2, minutes=5)
    collect(shop.orders())
    assert ids(data) == [1, 2]


def test_a_row_without_cursor_may_be_refused(collect: Any, shop: Shop) -> None:
    shop.put(2, minutes=None)
    with pytest.raises(DataError, match="1 rows do not fit"):
        collect(shop.orders(), on_bad="refuse")


def test_without_a_cursor_all_rows_are_what_they_are_now(collect: Any, data: DataService, shop: Shop) -> None:
    shop.put(1)
    shop.put(2)
    assert (collect(shop.orders(None)), collect(shop.orders(None))) == ([2], [])
    shop.run("DELETE FROM orders WHERE id = 1")
    assert collect(shop.orders(None)) == [1]
    assert ids(data) == [2]


def test_a_query_is_a_source(collect: Any, data: DataService, shop: Shop) -> None:
    shop.put(1, price=5.0)
    shop.put(2, price=50.0)
    query = "SELECT id, at, price * 2 AS double, 'a%b' AS mark FROM orders WHERE price > 10;\n"
    collect(shop.orders(table=query))
    assert data.read("rows").select("id", "double", "mark").rows() == [(2, 100.0, "a%b")]


def test_late_rows_are_kept_with_their_arrival(
    collect: Any, data: DataService, shop: Shop, clock: VirtualClock
) -> None:
    shop.put(1, minutes=60)
    collect(shop.orders("id"), event_time="at")
    shop.put(2, minutes=30)
    collect(shop.orders("id"), event_time="at")
    rows = data.read("rows")
    assert rows["arrived"].to_list() == [None, clock.now()]
    assert rows["at"].to_list() == [START + timedelta(minutes=60), START + timedelta(minutes=30)]
    assert data.head("rows").watermark == START + timedelta(minutes=60)


def test_a_missing_table_suggests_the_nearest(collect: Any, shop: Shop) -> None:
    with pytest.raises(DataError, match="has no table 'order'") as caught:
        collect(shop.orders(table="order"))
    assert caught.value.cause == "did you mean 'orders'?"


def test_a_missing_cursor_column_suggests_the_nearest(collect: Any, shop: Shop) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'price'"):
        collect(shop.orders("prise"))


def test_a_wrong_query_is_told_as_the_database_tells_it(collect: Any, shop: Shop) -> None:
    with pytest.raises(DataError, match="does not understand the query") as caught:
        collect(shop.orders(table="SELEC id FROM orders"))
    assert "syntax error" in (caught.value.cause or "")


def test_a_column_that_is_gone_stops_the_collection(collect: Any, data: DataService, shop: Shop) -> None:
    shop.put(1)
    collect(shop.orders())
    shop.put(2, minutes=1)
    shop.run("ALTER TABLE orders DROP COLUMN price")
    with pytest.raises(SchemaSkewError, match="column 'price' is float64 in the dataset and missing"):
        collect(shop.orders())
    assert ids(data) == [1]


def test_a_source_of_another_table_is_refused_until_it_is_taken_anew(
    collect: Any, data: DataService, shop: Shop
) -> None:
    shop.put(1)
    collect(shop.orders())
    shop.run("CREATE TABLE others AS SELECT * FROM orders")
    shop.run("UPDATE others SET id = 7")
    with pytest.raises(DataError, match="collected from another source"):
        collect(shop.orders(table="others"))
    assert collect(shop.orders(table="others"), anew=True) == [1]
    assert ids(data) == [7]
    assert collect(shop.orders(table="others")) == []


def test_values_of_several_types_are_put_aside(collect: Any, data: DataService, sqlite_shop: Shop) -> None:
    for number in range(4):
        sqlite_shop.put(number, minutes=number)
    collect(sqlite_shop.orders())
    sqlite_shop.put(4, minutes=4)
    sqlite_shop.run("INSERT INTO orders VALUES (5, 'dear', ?)", (START + timedelta(minutes=5)).isoformat())
    collect(sqlite_shop.orders())
    assert ids(data) == [0, 1, 2, 3, 4]
    assert data.read("rows.quarantine")["reason"].to_list() == ["price: 'dear' is not a number"]


def test_a_database_file_that_is_missing_suggests_the_nearest(collect: Any, sqlite_shop: Shop) -> None:
    with pytest.raises(DataError, match=r"no database shap\.db") as caught:
        collect(mulle.sql("sqlite:///shap.db", "orders"))
    assert caught.value.cause == "did you mean 'shop.db'?"


def test_a_file_that_is_no_database(collect: Any, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("rather text, and enough of it to fill the header of a database")
    with pytest.raises(DataError, match="cannot be read as an SQLite database"):
        collect(mulle.sql("sqlite:///no.db", "orders"))


def test_the_types_of_postgresql(collect: Any, data: DataService, postgres_shop: Shop) -> None:
    postgres_shop.run(
        "CREATE TABLE kinds AS SELECT 1::smallint AS i, 2.5::numeric AS n, true AS b, date '2024-02-03' AS d,"
        " timestamptz '2024-01-01 09:00+09' AS t, timestamp '2024-01-01 09:00' AS naive, interval '90 seconds' AS v,"
        " '{\"a\": 1}'::jsonb AS j, ARRAY[1,2] AS l, '\\x0102'::bytea AS y,"
        " 'c2d29867-3d0b-d497-9191-18a9d8ee7830'::uuid AS u, NULL::int AS nothing"
    )
    collect(postgres_shop.orders("i", table="kinds"))
    (row,) = data.read("rows").rows(named=True)
    assert row == {
        "i": 1, "n": 2.5, "b": True, "d": datetime(2024, 2, 3).date(), "t": START, "naive": datetime(2024, 1, 1, 9),  # noqa: DTZ001
        "v": timedelta(seconds=90), "j": '{"a": 1}', "l": [1, 2], "y": b"\x01\x02",
        "u": "c2d29867-3d0b-d497-9191-18a9d8ee7830", "nothing": None,
    }  # fmt: skip
    assert dict(data.head("rows").schema)["nothing"] == "int64"


def test_a_wrong_password_is_told_without_telling_it(collect: Any, postgresql: PostgreSQL) -> None:
    with pytest.raises(DataError, match="refuses the user") as caught:
        collect(mulle.sql(postgresql.url(password="wr0ng"), "orders"))
    assert "wr0ng" not in str(caught.value)


def test_a_password_may_come_from_the_environment(
    collect: Any, data: DataService, postgres_shop: Shop, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_shop.put(1)
    monkeypatch.setenv("SHOP_PASSWORD", postgresql.url().split(":")[2].partition("@")[0])
    database = postgres_shop.url.rpartition("/")[2]
    url = f"postgresql://mulle:${{SHOP_PASSWORD}}@127.0.0.1:{postgresql.port}/{database}"
    assert collect(mulle.sql(url, "orders", cursor="at")) == [1]
    stands = data.collected("rows")
    assert stands is not None
    assert "PASSWORD" not in stands.address
    monkeypatch.delenv("SHOP_PASSWORD")
    with pytest.raises(DataError, match="no variable SHOP_PASSWORD"):
        collect(mulle.sql(url, "orders", cursor="at"))


def test_a_server_that_is_down_loses_nothing(data: DataService, collect: Any) -> None:
    with PostgreSQL() as server:
        url = server.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders AS SELECT generate_series(1, 3) AS id")
        source = mulle.sql(url, "orders", cursor="id")
        collect(source)
        server.stop()
        with pytest.raises(DataError, match="cannot be reached"):
            collect(source)
        server.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("INSERT INTO orders VALUES (4)")
        assert collect(source) == [4]
    assert ids(data) == [1, 2, 3, 4]


def test_a_database_that_is_not_there(collect: Any, postgresql: PostgreSQL) -> None:
    with pytest.raises(DataError, match="has no such database"):
        collect(mulle.sql(postgresql.url("nowhere"), "orders"))


def test_another_database_than_these_is_no_source() -> None:
    with pytest.raises(ProjectError, match="mysql://u@h/d'"):
        mulle.sql("mysql://u:secret@h/d", "orders")


@pytest.mark.parametrize("batch", [1, 2, 10])
def test_states_of_one_key_end_the_same_in_one_batch_or_many(
    collect: Any, data: DataService, sqlite_shop: Shop, batch: int
) -> None:
    for number, price in ((1, 1.0), (2, 1.0), (1, 2.0), (1, 3.0), (2, -1.0)):
        values = (number, price, f"2024-01-01T00:00:{int(price) + 2:02}")
        sqlite_shop.run("INSERT INTO orders VALUES (?, ?, ?)", *values)

    class Priced(Schema):
        id: int
        price: float = column(minimum=0)

    collect(sqlite_shop.orders(batch=batch), key=["id"], expect=Priced)
    assert sorted(data.read("rows").select("id", "price").rows()) == [(1, 3.0), (2, 1.0)]
    assert data.read("rows.quarantine").height == 1


def test_a_cursor_of_several_types_is_an_error(collect: Any, sqlite_shop: Shop) -> None:
    for value in (1, "later"):
        sqlite_shop.run("INSERT INTO orders VALUES (?, 1.0, 'now')", value)
    with pytest.raises(DataError, match="the cursor id of orders has values of several types"):
        collect(sqlite_shop.orders("id", batch=1))
