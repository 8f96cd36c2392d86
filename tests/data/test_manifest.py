from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mulle.data import manifest
from mulle.data.logical import EMPTY
from mulle.data.manifest import FAN, Entry, Manifest, Recent, appended, lists, load_table, parts
from mulle.errors import StoreError
from mulle.hashing import digest_bytes
from mulle.testing.memory_store import MemoryStore

ANY = digest_bytes(b"any")


def entry(number: Any) -> Any:
    return Entry(digest_bytes(b"%d" % number), rows=1, bytes=100, low=number, high=number, first=number, last=number)


def held(levels: Any) -> Any:
    return Manifest(
        schema=[("at", "int64")], key=[], event_time="at", rows=0, bytes=0, logical=ANY, chain=EMPTY, levels=levels
    )


def grown(store: MemoryStore, count: Any) -> Any:
    levels: list[list[Entry]] = []
    for number in range(count):
        levels = appended(store, levels, entry(number))
    return held(levels)


@pytest.mark.parametrize("count", [1, FAN - 1, FAN, FAN + 1, FAN * FAN - 1, FAN * FAN, FAN * FAN + FAN + 1])
def test_parts_come_back_in_their_order(count: Any) -> None:
    store = MemoryStore()
    assert [each.low for each in parts(store, grown(store, count))] == list(range(count))


def test_a_manifest_of_many_parts_stays_small() -> None:
    store = MemoryStore()
    assert len(manifest.encode(grown(store, 10_000))) < 12_000


def test_appends_write_little_in_all() -> None:
    store = MemoryStore()
    levels: list[list[Entry]] = []
    written = 0
    for number in range(365):
        levels = appended(store, levels, entry(number))
        written += len(manifest.encode(held(levels)))
    assert written < 365 * 4_500


def test_lists_that_cannot_meet_are_not_read() -> None:
    store = MemoryStore()
    made = grown(store, FAN * 4)
    asked: list[int] = []

    def wanted(each: Any) -> Any:
        asked.append(each.rows)
        return each.meets(5, 6)

    assert [each.low for each in parts(store, made, wanted)] == [5]
    assert len(asked) == 4 + FAN


def test_every_list_object_is_named() -> None:
    store = MemoryStore()
    made = grown(store, FAN * FAN + FAN)
    assert {each.digest for each in lists(store, made)} == set(store.digests())


@pytest.mark.parametrize(
    ("start", "end", "meets"),
    [(None, None, True), (10, None, True), (11, None, False), (None, 5, False), (None, 6, True), (0, 100, True)],
)
def test_bounds_are_inclusive_below_and_exclusive_above(start: Any, end: Any, meets: Any) -> None:
    assert Entry(ANY, 1, 1, low=5, high=10).meets(start, end) is meets


def test_a_part_without_times_meets_no_span() -> None:
    assert not Entry(ANY, 1, 1).meets(0, None)


def test_what_is_no_manifest_is_an_error() -> None:
    store = MemoryStore()
    with pytest.raises(StoreError, match="is not a dataset's manifest"):
        load_table(store, store.put(b"{}"))


def test_a_later_format_is_an_error_with_its_cure() -> None:
    store = MemoryStore()
    later = msgspec.structs.replace(held([[]]), format=9)
    with pytest.raises(StoreError, match="pip install --upgrade"):
        load_table(store, store.put(manifest.encode(later)))


def test_the_least_recent_is_forgotten() -> None:
    recent = Recent(limit=100)
    made: list[str] = []

    def noted(name: str) -> str:
        made.append(name)
        return name

    def get(name: Any) -> Any:
        return recent.get(digest_bytes(name.encode()), lambda: noted(name), lambda _: 25)

    for name in ["a", "b", "c", "d", "a", "e", "a", "b"]:
        get(name)
    assert made == ["a", "b", "c", "d", "e", "b"]


def test_what_is_too_heavy_is_not_held() -> None:
    recent = Recent(limit=100)
    first = recent.get(ANY, object, lambda _: 26)
    assert recent.get(ANY, object, lambda _: 26) is not first
