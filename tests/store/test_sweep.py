"""gc of a local store: what is reachable stays, what is not goes in two phases, and nobody loses what they count on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, to_raw
from mulle.store import LocalStore, condemned, leases
from mulle.store.leases import Lease
from mulle.store.sweep import Swept
from mulle.testing.kills import fork
from mulle.types import Digest

LARGE = 1_200_000
DAY = 24 * 3600.0
SIZES = [100, LARGE]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def another(root: Path) -> LocalStore:
    """A store as another process has it: with a lease of its own."""
    store = LocalStore(root)
    leases.let_go(store._lease)
    store._lease = Lease(root, store._files)
    return store


def naming(*digests: Digest) -> Callable[[], Collection[bytes]]:
    return lambda: {to_raw(digest) for digest in digests}


def age(root: Path, seconds: float = 3 * DAY) -> None:
    """Everything stored, and the list of the condemned, is so much older."""
    then = time.time() - seconds
    for path in (*root.glob("packs/*.pack"), *root.glob("objects/*/*")):
        os.utime(path, (then, then))
    generation, marks = condemned.load(root)
    if marks:
        older = {raw: mark._replace(at=mark.at - int(seconds * 1e6)) for raw, mark in marks.items()}
        condemned.save(root, generation, older, LocalStore(root)._files)


def gc(root: Path, *kept: Digest, grace: float = DAY, waste: float = 0.2, dry_run: bool = False) -> Swept:
    """A run by a process of its own kind."""
    store = another(root)
    try:
        return store.sweep(naming(*kept), grace=grace, waste=waste, dry_run=dry_run)
    finally:
        store.close()
        store._lease.release()


def bytes_in(root: Path) -> int:
    return sum(path.stat().st_size for path in (*root.glob("packs/*.pack"), *root.glob("objects/*/*")))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_reachable_stays(root: Path, size: int) -> None:
    with LocalStore(root) as store:
        kept = store.put(os.urandom(size))
    age(root)
    assert gc(root, kept).kept.objects == 1
    age(root)
    assert gc(root, kept).freed.objects == 0
    assert LocalStore(root).has(kept)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_young_stays(root: Path, size: int) -> None:
    with LocalStore(root) as store:
        store.put(os.urandom(size))
    assert gc(root).young.objects == 1


@pytest.mark.parametrize("size", SIZES)
def test_the_first_run_condemns_and_the_next_one_after_the_grace_deletes(root: Path, size: int) -> None:
    with LocalStore(root) as store:
        dead = store.put(os.urandom(size))
    age(root)
    assert gc(root).condemned.objects == 1
    assert gc(root).waiting.objects == 1
    age(root)
    swept = gc(root)
    assert (swept.freed.objects, swept.freed.bytes) == (1, size)
    assert swept.disk >= size
    assert not LocalStore(root).has(dead)
    assert bytes_in(root) < 200


@pytest.mark.parametrize("size", SIZES)
def test_what_is_condemned_is_still_read(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        dead = store.put(data)
    age(root)
    gc(root)
    store = LocalStore(root)
    assert store.get(dead) == data
    assert dead in store.digests()
    assert list(store.verify()) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ask", ["put", "has", "put_file"])
def test_putting_what_is_condemned_rescues_it(root: Path, tmp_path: Path, size: int, ask: str) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    age(root)
    gc(root)
    (tmp_path / "file").write_bytes(data)
    with LocalStore(root) as store:
        if ask == "put":
            store.put(data)
        elif ask == "has":
            assert store.has(digest)
        else:
            store.put_file(tmp_path / "file")
    age(root)
    assert gc(root).condemned.objects == 1  # the rescue is over, and nothing names it: it begins anew
    assert LocalStore(root).get(digest) == data


@pytest.mark.parametrize("size", SIZES)
def test_what_is_named_again_is_pardoned(root: Path, size: int) -> None:
    with LocalStore(root) as store:
        digest = store.put(os.urandom(size))
    age(root)
    gc(root)
    age(root)
    assert gc(root, digest).pardoned.objects == 1
    assert gc(root, digest).pardoned.objects == 0
    assert LocalStore(root).has(digest)


@pytest.mark.parametrize("size", SIZES)
def test_a_writer_that_found_an_object_before_it_was_condemned_keeps_it(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    age(root)
    writer = another(root)
    writer.put(data)  # nothing is written: it is there
    gc(root)
    age(root)
    assert gc(root).waiting.objects == 1
    assert gc(root, digest).pardoned.objects == 1  # the writer has named it
    assert writer.get(digest) == data


def test_the_lease_of_a_killed_writer_ends(root: Path) -> None:
    data = os.urandom(100)
    LocalStore(root).close()
    child = fork()
    if child == 0:
        LocalStore(root).put(data)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    age(root)
    gc(root)
    age(root)
    assert gc(root).freed.objects == 1
    assert list((root / "leases").iterdir()) == []


@pytest.mark.parametrize("size", SIZES)
def test_a_writer_that_begins_after_the_condemnation_rescues_in_time(root: Path, size: int) -> None:
    """The writer puts between the mark and the deletion of the run that would delete the object."""
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    age(root)
    gc(root)
    age(root)
    writer = another(root)

    def mark() -> Collection[bytes]:
        writer.put(data)
        return set()

    assert another(root).sweep(mark, grace=DAY).freed.objects == 0
    assert writer.get(digest) == data
    assert LocalStore(root).get(digest) == data


@pytest.mark.parametrize("size", SIZES)
def test_a_writer_that_comes_after_the_deletion_writes_anew(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    age(root)
    gc(root)
    age(root)
    writer = another(root)
    writer.put(os.urandom(LARGE))  # its lease begins, it knows what is condemned
    assert writer.get(digest) == data  # and it remembers where that lay
    assert gc(root).freed.objects == 1
    writer.put(data)
    assert writer.get(digest) == data
    writer.flush()
    assert LocalStore(root).get(digest) == data


def test_an_idle_lease_does_not_hold_gc_up_for_ever(root: Path) -> None:
    with LocalStore(root) as store:
        store.put(b"dead")
    age(root)
    idle = another(root)
    idle.has(digest_bytes(b"something"))
    gc(root)
    age(root)
    assert gc(root).freed.objects == 0
    for path in (root / "leases").iterdir():
        os.utime(path, (time.time() - 2 * DAY, time.time() - 2 * DAY))
    assert gc(root).freed.objects == 1
    idle._lease._now = lambda: time.time() + 2 * DAY  # it wakes up
    assert not idle.has(digest_bytes(b"dead"))
    assert idle.get(idle.put(b"dead")) == b"dead"


def test_a_session_holds_gc_up_however_long_it_takes(root: Path) -> None:
    with LocalStore(root) as store:
        digest = store.put(b"dead")
    age(root)
    busy = another(root)
    with busy.session():
        busy.has(digest)
        gc(root)
        age(root)
        for path in (root / "leases").iterdir():
            os.utime(path, (0, 0))
        assert gc(root).freed.objects == 0
    age(root)
    assert gc(root).waiting.objects == 1  # the lease itself goes on, and was used just now
    busy.close()
    busy._lease.release()
    assert gc(root).freed.objects == 1


class TestWithoutGrace:
    @pytest.mark.parametrize("size", SIZES)
    def test_it_deletes_at_once(self, root: Path, size: int) -> None:
        with LocalStore(root) as store:
            dead, kept = store.put(os.urandom(size)), store.put(b"kept")
        swept = gc(root, kept, grace=0)
        assert swept.freed.objects == 1
        assert sorted(LocalStore(root).digests()) == [kept]
        assert not LocalStore(root).has(dead)

    def test_it_is_refused_while_another_process_uses_the_store(self, root: Path) -> None:
        other = another(root)
        other.put(b"perhaps needed")
        with pytest.raises(StoreError, match="needs the store for itself") as caught:
            gc(root, grace=0)
        assert "--grace 24h" in str(caught.value.cure)

    def test_it_works_in_the_process_that_has_put(self, root: Path) -> None:
        with LocalStore(root) as store:
            kept, dead = store.put(b"kept"), store.put(b"dead")
            assert store.sweep(naming(kept), grace=0).freed.objects == 1
            assert store.has(kept)
            assert not store.has(dead)
            assert store.get(store.put(b"dead")) == b"dead"

    def test_what_comes_between_its_two_phases_stays(self, root: Path) -> None:
        with LocalStore(root) as store:
            digest = store.put(b"needed again")
        writers: list[LocalStore] = []

        def mark() -> Collection[bytes]:
            if not writers:
                writers.append(another(root))
                writers[0].put(b"needed again")
            return set()

        swept = another(root).sweep(mark, grace=0)
        assert swept.freed.objects == 0
        assert writers[0].get(digest) == b"needed again"


class TestDryRun:
    def test_it_changes_nothing(self, root: Path) -> None:
        with LocalStore(root) as store:
            store.put(b"dead")
            store.put(os.urandom(LARGE))
        before = sorted(path.name for path in root.rglob("*"))
        swept = gc(root, grace=0, dry_run=True)
        assert swept.freed.objects == 2
        assert sorted(path.name for path in root.rglob("*") if not path.name.startswith("gc.")) == before

    def test_it_tells_what_would_be_condemned(self, root: Path) -> None:
        with LocalStore(root) as store:
            store.put(b"dead")
        age(root)
        assert gc(root, dry_run=True).condemned.objects == 1

    def test_it_tells_what_would_be_freed(self, root: Path) -> None:
        with LocalStore(root) as store:
            store.put(b"dead")
        age(root)
        gc(root)
        age(root)
        assert gc(root, dry_run=True).freed.objects == 1


class TestPacks:
    @pytest.fixture
    def digests(self, root: Path) -> list[Digest]:
        with LocalStore(root, pack_limit=20_000) as store:
            return [store.put(b"%03d" % number * 300) for number in range(100)]

    def test_living_objects_survive_the_rewriting(self, root: Path, digests: list[Digest]) -> None:
        reader = LocalStore(root)
        assert reader.get(digests[1]) == b"001" * 300
        swept = gc(root, *digests[1::2], grace=0)
        assert swept.freed.objects == 50
        for store in (reader, LocalStore(root)):
            assert sorted(store.digests()) == sorted(digests[1::2])
            assert [store.get(digest) for digest in digests[1::2]] == [b"%03d" % n * 300 for n in range(1, 100, 2)]
        assert list(LocalStore(root).verify()) == []

    def test_the_files_shrink(self, root: Path, digests: list[Digest]) -> None:
        before = bytes_in(root)
        swept = gc(root, *digests[1::2], grace=0)
        assert bytes_in(root) == before - swept.disk
        assert bytes_in(root) < 0.56 * before

    def test_a_pack_of_dead_objects_only_goes(self, root: Path, digests: list[Digest]) -> None:
        gc(root, grace=0)
        assert list((root / "packs").iterdir()) == []

    def test_a_pack_with_little_waste_stays(self, root: Path, digests: list[Digest]) -> None:
        before = bytes_in(root)
        swept = gc(root, *digests[1:], grace=0)
        assert (swept.waiting.objects, swept.freed.objects, bytes_in(root)) == (1, 0, before)
        assert gc(root, *digests[1:], grace=0, waste=0).freed.objects == 1

    def test_a_reader_that_has_the_old_pack_open_goes_on(self, root: Path, digests: list[Digest]) -> None:
        reader = LocalStore(root)
        everything = [reader.get(digest) for digest in digests]
        gc(root, *digests[::3], grace=0)
        assert [reader.get(digest) for digest in digests[::3]] == everything[::3]

    def test_a_reader_without_descriptors_finds_the_new_pack(
        self, root: Path, digests: list[Digest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mulle.store.index._MAX_DESCRIPTORS", 0)
        reader = LocalStore(root)
        everything = [reader.get(digest) for digest in digests]
        gc(root, *digests[::3], grace=0)
        assert [reader.get(digest) for digest in digests[::3]] == everything[::3]

    def test_a_pack_that_another_process_appends_to_stays(self, root: Path) -> None:
        writer = another(root)
        dead = writer.put(b"dead")
        age(root)
        writer._lease.release()
        gc(root)
        age(root)
        assert gc(root).freed.objects == 0
        writer.put(b"more")
        assert LocalStore(root).has(dead)

    def test_a_writer_goes_on_after_its_open_pack_was_swept(self, root: Path) -> None:
        with LocalStore(root) as store:
            kept, dead = store.put(b"kept"), store.put(b"dead" * 100)
            store.sweep(naming(kept), grace=0)
            again = store.put(b"more")
            store.flush()
        assert [LocalStore(root).get(digest) for digest in (kept, again)] == [b"kept", b"more"]
        assert not LocalStore(root).has(dead)

    def test_a_damaged_living_object_keeps_its_pack_as_it_is(self, root: Path, digests: list[Digest]) -> None:
        path = next(path for path in (root / "packs").iterdir() if b"001" * 300 in path.read_bytes())
        path.write_bytes(path.read_bytes().replace(b"001" * 300, b"xxx" * 300))
        gc(root, *digests[1::2], grace=0)
        assert path.exists()
        assert [damage.digest for damage in LocalStore(root).verify()] == [digests[1]]

    def test_the_cache_of_packs_may_be_lost_afterwards(self, root: Path, digests: list[Digest]) -> None:
        gc(root, *digests[::3], grace=0)
        (root / "packs.db").unlink()
        assert sorted(LocalStore(root).digests()) == sorted(digests[::3])

    def test_a_cache_that_names_a_pack_that_is_gone_leads_nobody_astray(
        self, root: Path, digests: list[Digest]
    ) -> None:
        cache = (root / "packs.db").read_bytes()
        gc(root, *digests[::3], grace=0)
        (root / "packs.db").write_bytes(cache)
        with LocalStore(root) as store:
            for number in range(100):
                store.put(b"%03d" % number * 300)
        assert [LocalStore(root).get(digest) for digest in digests] == [b"%03d" % n * 300 for n in range(100)]

    def test_extracted_copies_of_dead_objects_go(self, root: Path, digests: list[Digest]) -> None:
        paths = [LocalStore(root).path(digest) for digest in digests[:2]]
        gc(root, *digests[1:], grace=0, waste=0)
        assert [path.exists() for path in paths] == [False, True]


class TestList:
    def test_a_missing_list_condemns_nothing(self, root: Path) -> None:
        LocalStore(root)
        assert condemned.load(root) == (0, {})

    @pytest.mark.parametrize("content", [b"", b"garbage", os.urandom(500)])
    def test_a_damaged_list_condemns_nothing(self, root: Path, content: bytes) -> None:
        LocalStore(root)
        (root / "condemned").write_bytes(content)
        assert condemned.load(root)[1] == {}

    def test_a_newer_list_is_refused(self, root: Path) -> None:
        LocalStore(root)
        (root / "condemned").write_bytes(condemned._HEADER.pack(b"MULLECND", 2, 0, 1))
        with pytest.raises(StoreError, match="version 2"):
            condemned.load(root)

    def test_a_torn_pardon_is_written_over(self, root: Path) -> None:
        store = LocalStore(root)
        marks = {bytes([n]) * 32: condemned.Mark(1, 5, 6) for n in range(3)}
        condemned.save(root, 1, marks, store._files)
        with (root / "condemned").open("ab") as file:
            file.write(b"torn")
        condemned.pardon(root, [bytes([1]) * 32], store._files)
        assert sorted(condemned.load(root)[1]) == [bytes([0]) * 32, bytes([2]) * 32]
