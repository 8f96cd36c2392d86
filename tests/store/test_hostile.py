"""What comes from elsewhere and means harm: recipes that never end, packs and lists that lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from mulle.errors import StoreError, UsageError
from mulle.hashing import digest_bytes, from_raw, to_raw
from mulle.store import LocalStore, condemned, pack, recipes
from mulle.types import Digest

LARGE = 1_200_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", durable=False) as store:
        yield store


def recipe(size: int, *ranges: tuple[bytes, int, int]) -> bytes:
    packed = msgspec.msgpack.encode([size, list(ranges)])
    return recipes._MARK + blake3(packed).digest() + packed


def test_a_recipe_of_itself_is_refused(store: LocalStore) -> None:
    raw = os.urandom(32)
    with pytest.raises(StoreError):
        store.take_recipe(from_raw(raw), recipe(10, (raw, 0, 10)))
    assert not store.has(from_raw(raw))


def test_recipes_of_each_other_are_refused(store: LocalStore) -> None:
    """Written by hand, past every check: they are damaged objects, not endless ones."""
    one, two = os.urandom(32), os.urandom(32)
    for raw, base in ((one, two), (two, one)):
        path = store.root / "recipes" / raw.hex()[:2] / raw.hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recipe(10, (base, 0, 10)))
    with pytest.raises((StoreError, RecursionError)):
        store.get(from_raw(one))
    assert store.sweep(lambda: {one}, grace=0).kept.objects == 2


def test_a_recipe_of_a_recipe_is_refused(store: LocalStore) -> None:
    data = os.urandom(LARGE)
    base = store.put(data)
    made = digest_bytes(data[:-1])
    store.take_recipe(made, recipe(LARGE - 1, (to_raw(base), 0, LARGE - 1)))
    assert store.get(made) == data[:-1]
    with pytest.raises(StoreError, match="cannot be made"):
        store.take_recipe(digest_bytes(data[:-2]), recipe(LARGE - 2, (to_raw(made), 0, LARGE - 2)))


def test_gc_keeps_what_a_recipe_of_a_recipe_needs(store: LocalStore) -> None:
    data = os.urandom(LARGE)
    base = store.put(data)
    made = digest_bytes(data[:-1])
    store.take_recipe(made, recipe(LARGE - 1, (to_raw(base), 0, LARGE - 1)))
    twice = to_raw(digest_bytes(data[:-2]))
    path = store.root / "recipes" / twice.hex()[:2] / twice.hex()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(recipe(LARGE - 2, (to_raw(made), 0, LARGE - 2)))
    store.sweep(lambda: {twice}, grace=0)
    assert store.get(base) == data


@pytest.mark.parametrize(
    "ranges",
    [
        [(b"x" * 32, -5, 10)],
        [(b"x" * 32, 0, -10), (b"x" * 32, 0, 20)],
        [(b"x" * 32, 0, 0), (b"x" * 32, 0, 10)],
        [(b"", 0, 10)],
        [(b"../../../etc/passwd", 0, 10)],
        [(b"x" * 32, 0, 1 << 62)],
    ],
    ids=["before the beginning", "negative", "empty", "no name", "a path", "longer than it says"],
)
def test_a_recipe_that_cannot_be_is_refused(store: LocalStore, ranges: list[tuple[bytes, int, int]]) -> None:
    with pytest.raises(StoreError, match="forged"):
        store.take_recipe(digest_bytes(b"x" * 10), recipe(10, *ranges))


@pytest.mark.parametrize("told", [b"", b"garbage", recipes._MARK, recipes._MARK + bytes(40)])
def test_what_is_no_recipe_is_refused(store: LocalStore, told: bytes) -> None:
    with pytest.raises(StoreError):
        store.take_recipe(digest_bytes(b"x"), told)


def test_a_recipe_of_something_else_is_refused(store: LocalStore) -> None:
    base = store.put(os.urandom(LARGE))
    with pytest.raises(StoreError, match="damaged"):
        store.take_recipe(digest_bytes(b"what was promised"), recipe(17, (to_raw(base), 0, 17)))
    assert not store.has(digest_bytes(b"what was promised"))


def test_a_pack_that_puts_other_bytes_under_a_name_is_not_believed(store: LocalStore) -> None:
    honest, forged = b"honest", b"forged"
    raw = to_raw(digest_bytes(honest))
    entries = [pack.Entry(raw, pack.HEADER.size + pack.RECORD.size, len(forged))]
    end = pack.HEADER.size + pack.RECORD.size + len(forged)
    content = pack.header() + pack.record_head(raw, len(forged)) + forged + pack.footer(entries, end)
    (store.root / "packs" / "forged.pack").write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        store.get(from_raw(raw))
    assert [damage.digest for damage in store.verify()] == [from_raw(raw)]
    store.put(honest)
    assert LocalStore(store.root).get(from_raw(raw)) == honest


@pytest.mark.parametrize("place", [1 << 62, 0, 3])
def test_a_footer_that_points_elsewhere_is_not_believed(store: LocalStore, place: int) -> None:
    raw = to_raw(digest_bytes(b"honest"))
    content = pack.header() + pack.footer([pack.Entry(raw, place, 4_000_000_000)], pack.HEADER.size)
    (store.root / "packs" / "forged.pack").write_bytes(content)
    with pytest.raises(StoreError):
        store.get(from_raw(raw))


def test_a_lease_that_says_nonsense_holds_everything(store: LocalStore) -> None:
    store.put(b"dead")
    other = LocalStore(store.root)
    (store.root / "leases").mkdir(exist_ok=True)
    path = store.root / "leases" / "1-00"
    with path.open("wb") as file:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b'{"generation": "../..", "sessions": -1')
        file.flush()
        with pytest.raises(StoreError, match="needs the store for itself"):
            other.sweep(set, grace=0)


def test_a_list_of_condemned_that_was_tampered_with_deletes_nothing_reachable(store: LocalStore) -> None:
    digest = store.put(os.urandom(LARGE))
    condemned.save(store.root, 7, {to_raw(digest): condemned.Mark(1, 1, LARGE)}, store._files)
    assert store.sweep(lambda: {to_raw(digest)}, grace=1).pardoned.objects == 1
    assert store.has(digest)


@pytest.mark.parametrize("text", ["b3:../../../../etc/passwd", "b3:" + "0" * 63 + "/", "", "b3:" + "A" * 64])
def test_what_is_no_digest_reaches_no_file(store: LocalStore, text: str) -> None:
    for ask in (store.get, store.path, store.has, store.size, store.bases):
        with pytest.raises(UsageError):
            ask(Digest(text))
