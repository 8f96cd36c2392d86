"""What every `ObjectStore` must do. Subclass `ObjectStoreContract` in a test module and give it a `store` fixture."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from mulle.errors import StoreError, UsageError
from mulle.hashing import digest_bytes, to_raw
from mulle.store import ObjectStore, get_tree, put_tree
from mulle.store.sweep import SweepableStore
from mulle.types import Digest

SIZES = [0, 1, 255, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000]
"""Lengths around the borders at which an implementation may change its ways."""
ABSENT = digest_bytes(b"never put anywhere")


class Collecting(ObjectStore, SweepableStore, Protocol):
    """An object store that collects garbage."""


class ObjectStoreContract:
    """The contract of the port, as tests."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError("give the contract a store")

    @pytest.mark.parametrize("size", SIZES)
    def test_gives_back_what_was_put(self, store: ObjectStore, size: int) -> None:
        data = os.urandom(size)
        assert store.get(store.put(data)) == data

    @pytest.mark.parametrize("size", SIZES)
    def test_names_by_digest(self, store: ObjectStore, size: int) -> None:
        data = os.urandom(size)
        assert store.put(data) == digest_bytes(data)

    @pytest.mark.parametrize("size", SIZES)
    def test_a_path_holds_exactly_the_bytes(self, store: ObjectStore, size: int) -> None:
        data = os.urandom(size)
        digest = store.put(data)
        assert store.path(digest).read_bytes() == data

    @pytest.mark.parametrize("size", SIZES)
    def test_a_file_is_the_same_as_its_bytes(self, store: ObjectStore, size: int, tmp_path: Path) -> None:
        data = os.urandom(size)
        (tmp_path / "file").write_bytes(data)
        assert store.put_file(tmp_path / "file") == store.put(data)

    @pytest.mark.parametrize("size", SIZES)
    def test_knows_the_size(self, store: ObjectStore, size: int) -> None:
        assert store.size(store.put(os.urandom(size))) == size

    def test_a_path_is_the_same_when_asked_again(self, store: ObjectStore) -> None:
        digest = store.put(b"again")
        assert store.path(digest) == store.path(digest)

    def test_has_what_was_put(self, store: ObjectStore) -> None:
        assert store.has(store.put(b"here"))

    def test_has_not_what_was_not_put(self, store: ObjectStore) -> None:
        assert not store.has(ABSENT)

    def test_putting_twice_stores_once(self, store: ObjectStore) -> None:
        store.put(b"twice")
        store.put(b"twice")
        assert list(store.digests()) == [digest_bytes(b"twice")]

    def test_lists_every_object_once(self, store: ObjectStore) -> None:
        put = {store.put(os.urandom(size)) for size in SIZES}
        store.flush()
        assert sorted(store.digests()) == sorted(put)

    @pytest.mark.parametrize("ask", ["get", "path", "size"])
    def test_an_absent_object_is_an_error_with_a_cure(self, store: ObjectStore, ask: str) -> None:
        with pytest.raises(StoreError) as caught:
            getattr(store, ask)(ABSENT)
        assert caught.value.cure

    @pytest.mark.parametrize("ask", ["get", "path", "has"])
    def test_what_is_no_digest_is_refused(self, store: ObjectStore, ask: str) -> None:
        with pytest.raises(UsageError):
            getattr(store, ask)(Digest("b3:../../etc/passwd"))

    def test_a_missing_file_is_an_error_with_a_cure(self, store: ObjectStore, tmp_path: Path) -> None:
        with pytest.raises(StoreError) as caught:
            store.put_file(tmp_path / "absent")
        assert caught.value.cure

    def test_an_intact_store_verifies(self, store: ObjectStore) -> None:
        for size in SIZES:
            store.put(os.urandom(size))
        assert list(store.verify()) == []

    def test_flush_may_be_called_at_any_time(self, store: ObjectStore) -> None:
        store.flush()
        digest = store.put(b"flushed")
        store.flush()
        store.flush()
        assert store.get(digest) == b"flushed"

    def test_threads_may_put_and_get_at_once(self, store: ObjectStore) -> None:
        contents = [b"%d" % (number % 50) * 100 for number in range(400)]
        with ThreadPoolExecutor(8) as pool:
            back = list(pool.map(lambda data: store.get(store.put(data)), contents))
        assert back == contents

    def test_a_tree_comes_back_as_it_was(self, store: ObjectStore, tmp_path: Path) -> None:
        source = tmp_path / "source"
        (source / "deep" / "er").mkdir(parents=True)
        (source / "deep" / "er" / "large").write_bytes(os.urandom(2_000_000))
        (source / "run.sh").write_text("#!/bin/sh\n")
        (source / "run.sh").chmod(0o755)
        get_tree(store, put_tree(store, source), tmp_path / "copy")
        assert _contents(tmp_path / "copy") == _contents(source)

    def test_equal_trees_have_equal_names(self, store: ObjectStore, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").write_text("same")
        assert put_tree(store, tmp_path / "one") == put_tree(store, tmp_path / "two")


class SweepableContract:
    """The contract of stores that collect garbage, as tests. `store` is one that nobody else uses."""

    @pytest.fixture
    def store(self) -> Collecting:
        raise NotImplementedError("give the contract a store")

    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_reachable_stays(self, store: Collecting, size: int) -> None:
        data = os.urandom(size)
        digest = store.put(data)
        swept = store.sweep(lambda: {to_raw(digest)}, grace=0)
        assert (swept.kept.objects, swept.kept.bytes, swept.freed.objects) == (1, size, 0)
        assert store.get(digest) == data

    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_not_reachable_goes(self, store: Collecting, size: int) -> None:
        kept, dead = store.put(b"kept"), store.put(os.urandom(size) + b".")
        swept = store.sweep(lambda: {to_raw(kept)}, grace=0, waste=0)
        assert (swept.freed.objects, swept.freed.bytes) == (1, size + 1)
        assert list(store.digests()) == [kept]
        assert not store.has(dead)
        with pytest.raises(StoreError):
            store.get(dead)

    @pytest.mark.parametrize("size", SIZES)
    def test_what_went_may_be_put_again(self, store: Collecting, size: int) -> None:
        data = os.urandom(size)
        digest = store.put(data)
        store.sweep(set, grace=0)
        assert store.put(data) == digest
        store.flush()
        assert store.get(digest) == data
        assert list(store.verify()) == []

    def test_what_is_young_stays(self, store: Collecting) -> None:
        digest = store.put(b"young")
        assert store.sweep(set, grace=3600).young.objects == 1
        assert store.has(digest)

    def test_a_grace_takes_two_runs(self, store: Collecting) -> None:
        data = os.urandom(100)
        digest = store.put(data)
        time.sleep(0.02)
        assert store.sweep(set, grace=0.01).condemned.objects == 1
        assert store.get(digest) == data
        time.sleep(0.02)
        assert store.sweep(set, grace=0.01).freed.objects == 1
        assert not store.has(digest)

    @pytest.mark.parametrize("ask", ["put", "has"])
    def test_what_is_condemned_stays_when_it_is_needed_again(self, store: Collecting, ask: str) -> None:
        digest = store.put(b"condemned")
        time.sleep(0.02)
        store.sweep(set, grace=0.01)
        assert store.put(b"condemned") == digest if ask == "put" else store.has(digest)
        time.sleep(0.02)
        assert store.sweep(set, grace=0.01).freed.objects == 0
        assert store.get(digest) == b"condemned"

    def test_what_is_condemned_and_reachable_again_is_pardoned(self, store: Collecting) -> None:
        digest = store.put(b"condemned")
        time.sleep(0.02)
        store.sweep(set, grace=0.01)
        time.sleep(0.02)
        assert store.sweep(lambda: {to_raw(digest)}, grace=0.01).pardoned.objects == 1
        assert store.get(digest) == b"condemned"

    def test_a_dry_run_changes_nothing(self, store: Collecting) -> None:
        digest = store.put(b"dead")
        swept = store.sweep(set, grace=0, dry_run=True, kind=lambda head: head.decode())
        assert (swept.freed.objects, list(swept.kinds)) == (1, ["dead"])
        assert store.has(digest)

    def test_what_a_session_of_another_thread_puts_stays(self, store: Collecting) -> None:
        """Without a grace gc is refused, or leaves alone what the session has put."""
        inside, done = threading.Event(), threading.Event()
        put: list[Digest] = []

        def work() -> None:
            with store.session():
                put.append(store.put(b"not named yet"))
                inside.set()
                done.wait(10)

        thread = threading.Thread(target=work)
        thread.start()
        inside.wait(10)
        try:
            with contextlib.suppress(StoreError):
                store.sweep(lambda: set(map(to_raw, put)) if self.alone else set(), grace=0)
            assert store.get(put[0]) == b"not named yet"
        finally:
            done.set()
            thread.join()

    alone = False
    """Whether the store knows nothing of other threads: what they put must be reachable."""


def _contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in folder.rglob("*")
        if path.is_file()
    }
