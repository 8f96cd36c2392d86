"""What every `OnlineStore` must do. Subclass `OnlineStoreContract` in a test module and give it a `store` fixture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from mulle.features.online import Key, OnlineRow, OnlineStore, OnlineView

HELD = OnlineView("wind", entity=["origin"], features=["speed", "gust"], until=100, code="v1")


def row(key: Key, event: int, *values: Any, ttl: int = 50) -> OnlineRow:
    """A row that is available 10 after its event, for `ttl`."""
    return OnlineRow(key, event, event + 10, event + 10 + ttl, list(values))


class OnlineStoreContract:
    """The contract of the port, as tests."""

    @pytest.fixture
    def store(self) -> OnlineStore:
        raise NotImplementedError("give the contract a store")

    def test_gives_back_what_was_written(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.5, None)])
        assert store.read("wind", [("JFK",)], 40) == [[1.5, None]]

    def test_answers_in_the_order_of_the_keys(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0), row(("EWR",), 20, 2.0, 0)])
        assert store.read("wind", [("EWR",), ("LGA",), ("JFK",), ("EWR",)], 40) == [[2.0, 0], None, [1.0, 0], [2.0, 0]]

    @pytest.mark.parametrize(("now", "found"), [(29, False), (30, True), (80, True), (81, False)])
    def test_a_row_may_be_used_from_its_availability_to_its_end(
        self, store: OnlineStore, now: int, *, found: bool
    ) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 2.0)])
        assert (store.read("wind", [("JFK",)], now)[0] is not None) is found

    def test_a_later_event_replaces(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        store.write(HELD, [row(("JFK",), 21, 2.0, 0)])
        assert store.read("wind", [("JFK",)], 40) == [[2.0, 0]]

    def test_an_earlier_event_does_not(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 21, 2.0, 0)])
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        assert store.read("wind", [("JFK",)], 40) == [[2.0, 0]]

    def test_of_equal_events_the_last_to_arrive_stays(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0), row(("JFK",), 20, 2.0, 0)])
        assert store.read("wind", [("JFK",)], 40) == [[2.0, 0]]

    def test_writing_twice_is_writing_once(self, store: OnlineStore) -> None:
        for _ in range(2):
            store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        assert store.read("wind", [("JFK",)], 40) == [[1.0, 0]]
        assert store.view("wind") == HELD

    @pytest.mark.parametrize("key", [("JFK",), (7,), ("JFK", 7), ("", None), ("é",), (2**60,)], ids=str)
    def test_keys_of_any_plain_values(self, store: OnlineStore, key: Key) -> None:
        store.write(HELD, [row(key, 20, 1.0, 0)])
        assert store.read("wind", [key], 40) == [[1.0, 0]]

    def test_views_do_not_mix(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        other = msgspec.structs.replace(HELD, name="rain")
        store.write(other, [row(("EWR",), 20, 3.0, 0)])
        assert store.read("rain", [("JFK",)], 40) == [None]
        assert [view.name for view in store.views()] == ["rain", "wind"]

    def test_a_watermark_never_moves_back(self, store: OnlineStore) -> None:
        store.write(HELD, [])
        store.write(msgspec.structs.replace(HELD, until=50), [])
        held = store.view("wind")
        assert held is not None
        assert held.until == 100

    @pytest.mark.parametrize("changed", [{"code": "v2"}, {"features": ["speed", "rain"]}, {"entity": ["dest"]}])
    def test_a_changed_view_starts_anew(self, store: OnlineStore, changed: dict[str, Any]) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        anew = msgspec.structs.replace(HELD, until=50, **changed)
        store.write(anew, [])
        assert store.read("wind", [("JFK",)], 40) == [None]
        assert store.view("wind") == anew

    def test_a_write_that_fails_leaves_nothing(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        later = msgspec.structs.replace(HELD, until=200)
        with pytest.raises(TypeError):
            store.write(later, [row(("JFK",), 30, 2.0, 0), row(("EWR",), 30, object(), 0)])
        assert store.read("wind", [("JFK",), ("EWR",)], 45) == [[1.0, 0], None]
        assert store.view("wind") == HELD

    def test_what_is_not_held_is_none(self, store: OnlineStore) -> None:
        assert store.view("wind") is None
        assert store.read("wind", [("JFK",)], 0) == [None]

    def test_clearing_forgets(self, store: OnlineStore) -> None:
        store.write(HELD, [row(("JFK",), 20, 1.0, 0)])
        store.clear("wind")
        store.clear("wind")
        assert store.view("wind") is None
        assert store.read("wind", [("JFK",)], 40) == [None]

    def test_threads_read_whole_writes(self, store: OnlineStore) -> None:
        keys: list[Key] = [(number,) for number in range(20)]

        def write(round_: int) -> None:
            store.write(HELD, [row(key, 20 + round_, round_, round_) for key in keys])

        write(0)
        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(write, round_) for round_ in range(1, 6)]
            seen = [value for _ in range(20) for value in store.read("wind", keys[:1], 40)]
            for done in writes:
                done.result()
        assert all(value is not None and value[0] == value[1] for value in seen)
        assert store.read("wind", keys, 40) == [[5, 5]] * 20
