from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle
import mulle.data as api
from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, ProjectError, SchemaSkewError, UnknownNameError
from mulle.stats.schema import Schema, column


class Order(Schema):
    id: int = column(unique=True)
    at: datetime
    price: float = column(minimum=0, maximum=1000)
    kind: str | None = column(values=["a", "b"])


GOOD = '{"id":1,"at":"2024-01-01T00:00:00Z","price":5,"kind":"a"}'


def order(**changes: Any) -> str:
    row = {**json.loads(GOOD), **changes}
    return json.dumps({name: value for name, value in row.items() if value is not ...})


class Orders:
    """A growing file of orders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *lines: str) -> None:
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def dataset(self, **more: Any) -> Any:
        settings: dict[str, Any] = {"key": ["id"], "event_time": "at", "expect": Order, **more}
        return api.dataset("orders", source=mulle.lines("orders.jsonl"), **settings)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path / "orders.jsonl")


@pytest.mark.parametrize(
    "broken",
    [
        (order(id=2, price=-1), "price is below 0"),
        (order(id=2, price=2000), "price is above 1000"),
        (order(id=2, price=None), "price is empty"),
        (order(id=2, price=...), "price is empty"),
        (order(id=2, kind="z"), "kind is none of the declared values"),
        (order(id=2, at=None), "at is empty"),
        (order(id=2, at="noon"), "at: 'noon' is not an instant"),
        (order(id="two"), "id: 'two' is not an integer"),
        (order(id=2.5), "id: '2.5' is not an integer"),
        (order(id=None), "id is empty"),
        (order(id=1, kind="b"), "the key id repeats"),
        ("{", "no JSON: Input data was truncated"),
    ],
)
def test_a_row_that_breaks_the_schema_is_put_aside_with_the_reason(
    collect: Any, data: DataService, orders: Orders, clock: VirtualClock, broken: tuple[str, str]
) -> None:
    line, reason = broken
    orders.add(GOOD, line)
    assert collect(orders.dataset()) == [1]
    (held,) = data.read("orders.quarantine").rows(named=True)
    assert (held["reason"], held["held_from"], held["arrived"]) == (reason, "orders@1", clock.now())
    assert held["source"].startswith("orders.jsonl")
    assert held["row"] == line if line == "{" else json.loads(held["row"]).keys() >= {"id"}


def test_all_reasons_of_a_row_are_told(collect: Any, data: DataService, orders: Orders) -> None:
    orders.add(GOOD, order(id=2, price=-1, kind="z"))
    collect(orders.dataset())
    assert data.read("orders.quarantine")["reason"][0] == "price is below 0; kind is none of the declared values"


def test_rows_and_quarantine_come_in_one_transaction_and_the_event_counts(
    collect: Any, data: DataService, orders: Orders, catalog: Catalog
) -> None:
    orders.add(GOOD, order(id=2, price=-1), order(id=3, price=-2), "{")
    collect(orders.dataset())
    with catalog.read() as tx:
        events = {event.subject: event.payload for event in ledger.events(tx, limit=10) if event.payload}
    told = events["dataset:orders@1"]
    assert (told["held"], told["rows"]) == (3, 1)
    assert told["reasons"] == {"price is below 0": 2, "no JSON: Input data was truncated": 1}


def test_where_only_bad_rows_come_the_source_moves_on(collect: Any, data: DataService, orders: Orders) -> None:
    orders.add(order(price=-1))
    assert (collect(orders.dataset()), collect(orders.dataset())) == ([], [])
    assert data.find_head("orders") is None
    assert data.read("orders.quarantine")["held_from"].to_list() == [""]
    orders.add(GOOD)
    assert collect(orders.dataset()) == [1]
    orders.add(order(id=9, price=-1))
    collect(orders.dataset())
    assert data.read("orders.quarantine")["held_from"].to_list() == ["", "orders@1"]


def test_a_dataset_may_refuse_them(collect: Any, data: DataService, orders: Orders) -> None:
    orders.add(GOOD, order(id=2, price=-1))
    with pytest.raises(DataError, match="1 rows do not fit dataset 'orders'") as caught:
        collect(orders.dataset(on_bad="refuse"))
    assert "price is below 0" in (caught.value.cause or "")
    assert data.find_head("orders") is None


def test_a_dataset_may_keep_and_count_them(collect: Any, data: DataService, orders: Orders, catalog: Catalog) -> None:
    orders.add(GOOD, order(id=2, price=-1))
    assert collect(orders.dataset(on_bad="keep")) == [2]
    with catalog.read() as tx:
        told = next(event.payload for event in ledger.events(tx, limit=10) if event.subject == "dataset:orders@1")
    assert told["violations"] == [["price", "minimum", 1]]


def test_what_is_no_row_cannot_be_kept(collect: Any, orders: Orders) -> None:
    orders.add(GOOD, "{")
    with pytest.raises(DataError, match="1 rows do not fit"):
        collect(orders.dataset(on_bad="keep"))


def test_another_word_is_refused_where_it_is_written() -> None:
    with pytest.raises(ProjectError, match="kept, quarantined or refused"):
        api.dataset("x", on_bad="drop")  # type: ignore[arg-type]


def test_a_declared_column_that_is_missing_stops_the_collection(
    collect: Any, data: DataService, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_text("id,at,kind\n1,2024-01-01,a\n")
    with pytest.raises(SchemaSkewError, match="column 'price' is declared as float and is missing"):
        collect(api.dataset("orders", source=mulle.files("orders.csv"), event_time="at", expect=Order))


def test_windows_keep_as_they_did(collect: Any, data: DataService) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame({"id": [1], "at": [start], "price": [-1.0], "kind": ["a"]})
    windows = api.source(every="1d", start=start)(lambda begin, _: rows if begin == start else None)
    data.collect(api.dataset("orders", source=windows, event_time="at", expect=Order), datetime(2013, 1, 3, tzinfo=UTC))
    assert data.head("orders").rows == 1
    assert "arrived" not in data.read("orders").columns


class Cheaper(Schema):
    id: int
    at: datetime
    price: float
    kind: str | None


def test_rows_are_released_when_the_schema_fits_them(
    collect: Any, data: DataService, orders: Orders, clock: VirtualClock
) -> None:
    orders.add(GOOD)
    collect(orders.dataset())
    orders.add(order(id=2, price=-1), "{", order(id=3, at="noon"))
    collect(orders.dataset())
    arrived = clock.now()
    collect(orders.dataset())
    done = data.release(orders.dataset(expect=Cheaper))
    assert (done.released, done.held, done.version) == (1, 2, "orders@2")
    assert data.read("orders").select("id", "price", "arrived").rows() == [(1, 5.0, None), (2, -1.0, arrived)]
    assert data.read("orders.quarantine")["row"].to_list() == ["{", data.read("orders.quarantine")["row"][1]]
    assert data.release(orders.dataset(expect=Cheaper)).released == 0


def test_a_quarantine_may_become_empty(collect: Any, data: DataService, orders: Orders) -> None:
    orders.add(GOOD, order(id=2, price=-1))
    collect(orders.dataset())
    data.release(orders.dataset(expect=Cheaper))
    assert data.read("orders.quarantine").height == 0
    stands = data.collected("orders")
    assert stands is not None
    assert stands.held == 0
    orders.add(order(id=3, price=-1))
    collect(orders.dataset())
    assert data.read("orders.quarantine").height == 1


def test_nothing_was_put_aside(data: DataService, orders: Orders) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown quarantine 'orders\.quarantine'"):
        data.release(orders.dataset())


def test_where_a_source_stands_is_shown(collect: Any, data: DataService, orders: Orders, clock: VirtualClock) -> None:
    orders.add(GOOD, order(id=2, price=-1))
    collect(orders.dataset())
    (summary,) = [one for one in data.list() if one.name == "orders"]
    stands = summary.collected
    assert stands is not None
    assert (stands.kind, stands.address, stands.live, stands.held) == ("lines", "orders.jsonl", True, 1)
    assert (stands.cursor.partition(",")[0], stands.at) == ("line 2", clock.now())
    assert data.show("orders").collected == stands


@pytest.mark.parametrize("batch", [1, 2, 10])
def test_rows_that_share_a_key_end_the_same_in_one_batch_or_many(
    collect: Any, data: DataService, orders: Orders, batch: int
) -> None:
    orders.add(GOOD, GOOD, order(price=7), order(id=2), GOOD, order(id=2, price=-1))
    settings: dict[str, Any] = {"key": ["id"], "event_time": "at", "expect": Order}
    collect(api.dataset("orders", source=mulle.lines("orders.jsonl", batch=batch), **settings))
    assert data.read("orders").select("id", "price").rows() == [(1, 5.0), (2, 5.0)]
    assert sorted(data.read("orders.quarantine")["reason"].str.split(" ").list.first()) == ["price", "the"]


def test_what_is_read_anew_is_put_aside_once(collect: Any, data: DataService, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("id,at,price,kind\n1,2024-01-01,1,a\n2,2024-01-01,-1,a\n3,2024-01-01,-1,a\n")
    defined = api.dataset("orders", source=mulle.files("orders.csv", changed="replace"), key=["id"], expect=Order)
    collect(defined)
    collect(defined, anew=True)
    assert (data.read("orders").height, data.read("orders.quarantine").height) == (1, 2)
    path.write_text("id,at,price,kind\n1,2024-01-01,1,a\n2,2024-01-01,7,a\n3,2024-01-01,-1,a\n")
    collect(defined)
    assert (data.read("orders").height, data.read("orders.quarantine").height) == (2, 1)
    path.write_text("id,at,price,kind\n1,2024-01-01,1,a\n2,2024-01-01,7,a\n")
    collect(defined)
    assert data.read("orders.quarantine").height == 0


def test_taking_anew_in_several_batches_replaces_once(collect: Any, data: DataService, orders: Orders) -> None:
    orders.add(order(id=1, price=-1), *(order(id=number) for number in range(2, 7)), order(id=9, price=-1))
    settings: dict[str, Any] = {"key": ["id"], "event_time": "at", "expect": Order}
    defined = api.dataset("orders", source=mulle.lines("orders.jsonl", batch=2), **settings)
    for anew in (False, True, True):
        collect(defined, anew=anew)
        assert data.read("orders")["id"].to_list() == [2, 3, 4, 5, 6]
        assert data.read("orders.quarantine").height == 2
