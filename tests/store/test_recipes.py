import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, from_raw
from mulle.store import LocalStore, recipes
from mulle.types import Digest

MEGABYTE = 1 << 20
SIZE = 12 * MEGABYTE
CHANCE = random.Random(3)
FIRST = CHANCE.randbytes(SIZE)
NEW = CHANCE.randbytes(SIZE // 100)
CHANGES = {
    "appended": FIRST + NEW,
    "inserted": FIRST[: SIZE // 3] + NEW + FIRST[SIZE // 3 :],
    "overwritten": FIRST[: SIZE // 3] + NEW + FIRST[SIZE // 3 + len(NEW) :],
    "cut": FIRST[: SIZE // 3] + FIRST[SIZE // 3 + len(NEW) :],
    "prepended": NEW + FIRST,
    "moved": FIRST[SIZE // 2 :] + FIRST[: SIZE // 2],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", durable=False) as store:
        yield store


def put(store: LocalStore, folder: Path, data: bytes, former: Digest | None = None) -> Digest:
    path = folder / "large"
    path.write_bytes(data)
    return store.put_file(path, former=former)


def used(store: LocalStore) -> int:
    return sum(
        path.stat().st_size for name in ("objects", "packs", "recipes") for path in (store.root / name).rglob("*")
        if path.is_file()
    )  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_costs_what_is_new_in_it(store: LocalStore, tmp_path: Path, change: str) -> None:
    first = put(store, tmp_path, FIRST)
    before = used(store)
    digest = put(store, tmp_path, CHANGES[change], first)
    assert digest == digest_bytes(CHANGES[change])
    assert used(store) - before < SIZE * (0.03 if change == "moved" else 0.015) + 3 * 65536
    assert store.get(digest) == CHANGES[change]


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_an_object_like_any_other(store: LocalStore, tmp_path: Path, change: str) -> None:
    digest = put(store, tmp_path, CHANGES[change], put(store, tmp_path, FIRST))
    assert store.has(digest)
    assert store.size(digest) == len(CHANGES[change])
    assert store.path(digest).read_bytes() == CHANGES[change]
    assert store.head(digest, 10) == CHANGES[change][:10]
    assert list(store.verify()) == []
    assert digest in set(store.digests())


def test_another_process_finds_it(store: LocalStore, tmp_path: Path) -> None:
    digest = put(store, tmp_path, CHANGES["appended"], put(store, tmp_path, FIRST))
    store.flush()
    with LocalStore(store.root) as other:
        assert other.get(digest) == CHANGES["appended"]


def test_chains_stay_flat(store: LocalStore, tmp_path: Path) -> None:
    data, digest = FIRST, put(store, tmp_path, FIRST)
    first = digest
    for number in range(10):
        data += random.Random(number).randbytes(10_000)
        digest = put(store, tmp_path, data, digest)
    assert first in store.bases(digest)
    assert all(not store.bases(base) for base in store.bases(digest))
    assert store.get(digest) == data


def test_too_many_bases_are_not_gathered(store: LocalStore, tmp_path: Path) -> None:
    data, digest = FIRST, put(store, tmp_path, FIRST)
    for number in range(40):
        data += random.Random(number).randbytes(1_000)
        digest = put(store, tmp_path, data, digest)
        assert len(store.bases(digest)) <= 32
    assert store.get(digest) == data


def test_another_file_is_stored_whole(store: LocalStore, tmp_path: Path) -> None:
    digest = put(store, tmp_path, CHANCE.randbytes(SIZE), put(store, tmp_path, FIRST))
    assert store.bases(digest) == set()


def test_a_short_file_is_stored_whole(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST[: 2 * MEGABYTE])
    assert store.bases(put(store, tmp_path, FIRST[: 2 * MEGABYTE] + b"x", first)) == set()


def test_a_former_version_that_is_not_here_does_no_harm(store: LocalStore, tmp_path: Path) -> None:
    digest = put(store, tmp_path, FIRST, digest_bytes(b"not here"))
    assert store.get(digest) == FIRST


def test_what_is_there_already_stays_as_it_is(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    whole = put(store, tmp_path, CHANGES["appended"])
    assert put(store, tmp_path, CHANGES["appended"], first) == whole
    assert store.bases(whole) == set()


def test_a_damaged_base_is_told_not_returned(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    digest = put(store, tmp_path, CHANGES["appended"], first)
    path = store.path(first)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(5)
        file.write(b"?")
    for ask in (store.get, store.path):
        with pytest.raises(StoreError, match="damaged"):
            ask(digest)
    assert digest in {damage.digest for damage in store.verify()}


def test_a_damaged_recipe_is_told(store: LocalStore, tmp_path: Path) -> None:
    digest = put(store, tmp_path, CHANGES["appended"], put(store, tmp_path, FIRST))
    [path] = (store.root / "recipes").glob("*/*")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match="damaged"):
        store.get(digest)
    assert [damage.digest for damage in store.verify()] == [digest]


def test_a_damaged_recipe_is_mended_by_putting_the_file_again(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    digest = put(store, tmp_path, CHANGES["appended"], first)
    [path] = (store.root / "recipes").glob("*/*")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    put(store, tmp_path, CHANGES["appended"], first)
    assert store.get(digest) == CHANGES["appended"]


def test_gc_keeps_what_a_reachable_object_is_made_of(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    digest = put(store, tmp_path, CHANGES["appended"], first)
    lost = put(store, tmp_path, CHANCE.randbytes(2 * MEGABYTE))
    store.flush()
    store.sweep(lambda: {bytes.fromhex(digest[3:])}, grace=0)
    assert store.get(digest) == CHANGES["appended"]
    assert store.has(first)
    assert not store.has(lost)


def test_gc_removes_a_recipe_and_its_bases(store: LocalStore, tmp_path: Path) -> None:
    put(store, tmp_path, CHANGES["appended"], put(store, tmp_path, FIRST))
    store.flush()
    store.sweep(set, grace=0)
    assert list(store.digests()) == []
    assert used(store) == 0


def test_a_recipe_without_its_base_is_not_there(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    digest = put(store, tmp_path, CHANGES["appended"], first)
    (store.root / "objects" / first[3:5] / first[3:]).unlink()
    assert not store.has(digest)


@contextmanager
def small_limits() -> Iterator[None]:
    """Recipes for files of a few kilobytes, so that many can be tried."""
    kept = recipes._CHUNK, recipes._PIECE
    recipes._CHUNK, recipes._PIECE = 256, 700
    try:
        yield
    finally:
        recipes._CHUNK, recipes._PIECE = kept


edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 600), st.binary(max_size=400)), max_size=5)


@given(st.integers(0, 99), st.lists(edits, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_edits_come_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, history: list[list[tuple[float, int, bytes]]]
) -> None:
    folder = tmp_path_factory.mktemp("recipes")
    data = random.Random(seed).randbytes(20_000)
    with small_limits(), LocalStore(folder / "store", durable=False, small=100, large=1_000) as store:
        digest = put(store, folder, data)
        put_all, cooked = {digest: data}, 0
        for changes in history:
            for where, cut, added in changes:
                at = int(where * len(data))
                data = data[:at] + added + data[at + cut :]
            digest = put(store, folder, data, digest)
            put_all[digest] = data
            cooked += bool(store.bases(digest))
        assert {digest: store.get(digest) for digest in put_all} == put_all
        assert list(store.verify()) == []
        event(f"{cooked} recipes")


def test_the_name_of_a_base_is_raw(store: LocalStore, tmp_path: Path) -> None:
    first = put(store, tmp_path, FIRST)
    assert first in store.bases(put(store, tmp_path, CHANGES["cut"], first))
    assert from_raw(bytes.fromhex(first[3:])) == first
