import sqlite3
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle import verbs
from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.errors import LedgerError
from mulle.testing.soak import repeat


def record(catalog: Catalog, count: int, *, each: int = 1) -> list[str]:
    ids = []
    for number in range(count):
        with verbs.acting(actor="kim@host", verb="data.commit", reason="why"), catalog.write() as tx:
            ids += [tx.event(f"dataset:a@{number}", {"rows": number, "물레": "wheel"}) for _ in range(each)]
    return ids


def change(catalog: Catalog, statement: str) -> None:
    connection = sqlite3.connect(catalog.path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def verify(catalog: Catalog, expected: ledger.Verified | None = None) -> ledger.Verified:
    with catalog.read() as tx:
        return ledger.verify(tx, expected)


def test_an_empty_ledger_verifies(catalog: Catalog) -> None:
    assert verify(catalog) == ledger.Verified(0, ledger.GENESIS)


def test_an_honest_ledger_verifies(catalog: Catalog) -> None:
    record(catalog, 5, each=3)
    with catalog.read() as tx:
        assert ledger.verify(tx) == ledger.Verified(*ledger.head(tx))


def test_more_than_a_batch_verifies(catalog: Catalog) -> None:
    record(catalog, 2, each=1100)
    assert verify(catalog).count == 2200


def test_numbers_have_no_gap_even_after_failures(catalog: Catalog) -> None:
    record(catalog, 2)
    with pytest.raises(ZeroDivisionError), catalog.write() as tx:  # noqa: PT012
        tx.event("lost")
        raise ZeroDivisionError
    record(catalog, 2)
    with catalog.read() as tx:
        assert [event.seq for event in ledger.events(tx)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "column", ["id", "actor", "verb", "subject", "reason", "cause", "payload", "previous", "digest"]
)
def test_a_changed_text_is_found_and_named(catalog: Catalog, column: str) -> None:
    ids = record(catalog, 5)
    change(catalog, f"UPDATE event SET {column} = {column} || 'x' WHERE seq = 3")
    with pytest.raises(LedgerError, match=r"at event 3 ") as caught:
        verify(catalog)
    assert ids[2] in str(caught.value)


def test_a_changed_instant_is_found_and_named(catalog: Catalog) -> None:
    ids = record(catalog, 5)
    change(catalog, "UPDATE event SET at = at + 1 WHERE seq = 3")
    with pytest.raises(LedgerError, match=ids[2]):
        verify(catalog)


def test_text_that_is_no_text_is_found(catalog: Catalog) -> None:
    record(catalog, 3)
    change(catalog, "UPDATE event SET reason = CAST(x'ff' AS TEXT) WHERE seq = 2")
    with pytest.raises(LedgerError, match="at event 2 "):
        verify(catalog)


def test_another_type_is_found(catalog: Catalog) -> None:
    record(catalog, 3)
    change(catalog, "UPDATE event SET at = 'soon' WHERE seq = 2")
    with pytest.raises(LedgerError, match="at event 2 "):
        verify(catalog)


def test_a_removed_event_is_found(catalog: Catalog) -> None:
    record(catalog, 5)
    change(catalog, "DELETE FROM event WHERE seq = 3")
    with pytest.raises(LedgerError, match=r"at event 3 .*\n.*it is missing"):
        verify(catalog)


def test_a_removed_event_that_was_closed_over_is_found(catalog: Catalog) -> None:
    record(catalog, 5)
    change(catalog, "DELETE FROM event WHERE seq = 5")
    change(catalog, "UPDATE event SET seq = 5 WHERE seq = 4")
    with pytest.raises(LedgerError, match="at event 4 "):
        verify(catalog)


def test_a_truncated_ledger_is_found_by_an_earlier_head(catalog: Catalog) -> None:
    record(catalog, 5)
    head = verify(catalog)
    change(catalog, "DELETE FROM event WHERE seq > 3")
    assert verify(catalog).count == 3
    with pytest.raises(LedgerError, match=r"at event 4 .*\n.*ends at 3"):
        verify(catalog, head)


def test_a_rewritten_ledger_is_found_by_an_earlier_head(catalog: Catalog, clock: VirtualClock) -> None:
    record(catalog, 3)
    head = verify(catalog)
    change(catalog, "DELETE FROM event")
    clock.advance(timedelta(days=1))
    record(catalog, 3)
    assert verify(catalog).count == 3
    with pytest.raises(LedgerError, match="written anew"):
        verify(catalog, head)


def test_an_earlier_head_still_holds_when_the_ledger_has_grown(catalog: Catalog) -> None:
    record(catalog, 3)
    head = verify(catalog)
    record(catalog, 3)
    assert verify(catalog, head).count == 6


@pytest.mark.soak
@settings(max_examples=repeat(60, 3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_of_an_event_in_the_file_is_found(catalog: Catalog, place: float, bit: int) -> None:
    if verify_quietly(catalog) == 0:
        record(catalog, 40)
    catalog._readers.dispose()
    catalog._writer.dispose()
    honest = catalog.path.read_bytes()
    pages = event_bytes(honest)
    damaged = bytearray(honest)
    damaged[pages[int(place * len(pages))]] ^= 1 << bit
    catalog.path.write_bytes(damaged)
    try:
        with pytest.raises(LedgerError, match=r"at event \d+ \(id "):
            verify(catalog)
    finally:
        catalog._readers.dispose()
        catalog.path.write_bytes(honest)


def verify_quietly(catalog: Catalog) -> int:
    with catalog.read() as tx:
        return ledger.head(tx)[0]


def event_bytes(content: bytes) -> list[int]:
    """Where in the file the texts of the events are: everything from an id to the digest that ends the row."""
    places = []
    at = content.find(b"kim@hostdata.commit")
    while at >= 0:
        places += list(range(at - 30, at + 19))
        end = content.find(b"b3:", content.find(b"b3:", at) + 3) + 67
        places += list(range(at + 19, end))
        at = content.find(b"kim@hostdata.commit", at + 1)
    return places


def test_events_of_one_subject(catalog: Catalog) -> None:
    record(catalog, 5)
    with catalog.read() as tx:
        assert [event.seq for event in ledger.events(tx, "dataset:a@2")] == [3]


def test_events_since_an_instant(catalog: Catalog, clock: VirtualClock) -> None:
    record(catalog, 2)
    later = clock.advance(timedelta(hours=1))
    record(catalog, 2)
    with catalog.read() as tx:
        assert [event.seq for event in ledger.events(tx, since=later)] == [3, 4]


def test_events_after_a_number(catalog: Catalog) -> None:
    record(catalog, 5)
    with catalog.read() as tx:
        assert [event.seq for event in ledger.events(tx, after=2, limit=2)] == [3, 4]


def test_the_newest_events_first(catalog: Catalog) -> None:
    record(catalog, 5)
    with catalog.read() as tx:
        assert [event.seq for event in ledger.events(tx, limit=2, newest_first=True)] == [5, 4]


def test_an_event_is_found_by_its_id(catalog: Catalog) -> None:
    ids = record(catalog, 3)
    with catalog.read() as tx:
        found = ledger.get(tx, ids[1])
        assert found is not None
        assert found.seq == 2
        assert ledger.get(tx, "unknown") is None


def test_a_new_cursor_is_at_the_beginning(catalog: Catalog) -> None:
    with catalog.read() as tx:
        assert ledger.position(tx, "triggers") == 0


def test_a_cursor_advances_with_its_transaction(catalog: Catalog) -> None:
    for seq in (3, 7):
        with catalog.write() as tx:
            ledger.advance(tx, "triggers", seq)
    with pytest.raises(ZeroDivisionError), catalog.write() as tx:  # noqa: PT012
        ledger.advance(tx, "triggers", 9)
        raise ZeroDivisionError
    with catalog.read() as tx:
        assert ledger.position(tx, "triggers") == 7
