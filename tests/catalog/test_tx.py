import pytest
from sqlalchemy import Table, insert, select

from mulle import verbs
from mulle.catalog import Catalog, ledger
from mulle.catalog.tables import edge, node
from mulle.clock import VirtualClock
from mulle.errors import CatalogError


def only_event(catalog: Catalog) -> ledger.Event:
    with catalog.read() as tx:
        [event] = ledger.events(tx)
    return event


def test_an_event_says_who_why_and_because_of_what(catalog: Catalog) -> None:
    with verbs.acting(actor="kim@host", verb="models.promote", reason="better", cause="e1"), catalog.write() as tx:
        tx.event("model:delay@3", {"alias": "champion"})
    event = only_event(catalog)
    assert (event.actor, event.verb, event.reason, event.cause) == ("kim@host", "models.promote", "better", "e1")
    assert (event.subject, event.payload) == ("model:delay@3", {"alias": "champion"})


def test_what_an_event_is_given_counts_more(catalog: Catalog) -> None:
    with verbs.acting(verb="a", reason="b", cause="c"), catalog.write() as tx:
        tx.event("x", verb="d", reason="e", cause="f")
    event = only_event(catalog)
    assert (event.verb, event.reason, event.cause) == ("d", "e", "f")


def test_an_event_has_the_transactions_instant(catalog: Catalog, clock: VirtualClock) -> None:
    with catalog.write() as tx:
        tx.event("x")
        clock.sleep(60)
    assert only_event(catalog).at == tx.now


def test_an_event_has_the_id_that_was_returned(catalog: Catalog) -> None:
    with catalog.write() as tx:
        event_id = tx.event("x")
    assert only_event(catalog).id == event_id


def test_a_payload_that_is_no_json_fails_where_it_is_given(catalog: Catalog) -> None:
    with catalog.write() as tx, pytest.raises(TypeError):
        tx.event("x", {"value": object()})


@pytest.mark.parametrize(
    "write", [lambda tx: tx.event("x"), lambda tx: tx.node("k", "n"), lambda tx: tx.edge("a", "b", "r")]
)
def test_a_reading_transaction_records_nothing(catalog: Catalog, write) -> None:  # type: ignore[no-untyped-def]
    with catalog.read() as tx, pytest.raises(CatalogError, match="only reads"):
        write(tx)


def test_a_node_that_is_there_stays(catalog: Catalog) -> None:
    for digest in ("b3:1", "b3:2"):
        with catalog.write() as tx:
            tx.node("object", "o", digest)
            tx.node("object", "o", "b3:3")
    with catalog.read() as tx:
        assert [tuple(row) for row in tx.all(select(node))] == [("o", "object", "b3:1")]


def test_an_edge_is_kept_once_with_its_event(catalog: Catalog) -> None:
    ids = []
    for _ in range(2):
        with catalog.write() as tx:
            tx.edge("run:1", "dataset:a@1", "read")
            tx.edge("run:1", "dataset:a@1", "read")
            ids.append(tx.event("run:1"))
    with catalog.read() as tx:
        assert [tuple(row) for row in tx.all(select(edge))] == [("run:1", "dataset:a@1", "read", ids[0])]


def test_an_edge_without_an_event_has_the_cause(catalog: Catalog) -> None:
    with verbs.acting(cause="e1"), catalog.write() as tx:
        tx.edge("a", "b", "r")
    with catalog.read() as tx:
        assert tx.scalar(select(edge.c.event)) == "e1"


def test_ids_grow(catalog: Catalog) -> None:
    with catalog.write() as tx:
        ids = [tx.new_id() for _ in range(100)]
    assert ids == sorted(set(ids))


def test_many_rows_by_one_statement(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things), [{"name": "a"}, {"name": "b"}])
        assert [row.name for row in tx.all(select(things.c.name).order_by(things.c.name))] == ["a", "b"]


def test_no_row_is_none(catalog: Catalog, things: Table) -> None:
    with catalog.read() as tx:
        assert (tx.one(select(things)), tx.scalar(select(things.c.id))) == (None, None)
