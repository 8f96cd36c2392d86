import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, to_raw
from mulle.store import LocalStore, pack
from mulle.testing.kills import fork

LARGE = 1_200_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def packs(root: Path) -> list[Path]:
    return sorted((root / "packs").glob("*.pack"))


def flip(path: Path, data: bytes) -> None:
    """Change one bit in the middle of where `data` lies in a file."""
    content = bytearray(path.read_bytes())
    content[content.index(data) + len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def test_another_store_finds_objects_of_an_open_pack(root: Path) -> None:
    writer, reader = LocalStore(root), LocalStore(root)
    assert not reader.has(digest_bytes(b"early"))
    digest = writer.put(b"early")
    writer.flush()
    assert reader.get(digest) == b"early"


def test_a_reader_follows_an_open_pack_as_it_grows(root: Path) -> None:
    writer, reader = LocalStore(root), LocalStore(root)
    for number in range(20):
        digest = writer.put(b"%d" % number)
        assert reader.get(digest) == b"%d" % number


def test_small_objects_share_one_pack(root: Path) -> None:
    store = LocalStore(root)
    for number in range(100):
        store.put(b"%d" % number)
    assert len(packs(root)) == 1


def test_two_writers_have_a_pack_each(root: Path) -> None:
    first, second = LocalStore(root), LocalStore(root)
    first.put(b"first")
    second.put(b"second")
    assert len(packs(root)) == 2


def test_the_next_writer_goes_on_with_the_pack_of_one_that_ended(root: Path) -> None:
    with LocalStore(root) as first:
        first.put(b"first")
    with LocalStore(root) as second:
        second.put(b"second")
    assert len(packs(root)) == 1


def test_a_full_pack_is_sealed_and_another_begun(root: Path) -> None:
    store = LocalStore(root, pack_limit=5_000)
    digests = [store.put(os.urandom(1_000)) for _ in range(20)]
    sealed = [path for path in packs(root) if path.read_bytes().endswith(b"MULLEEND")]
    assert len(sealed) == 4
    assert all(LocalStore(root).has(digest) for digest in digests)


def test_what_two_writers_put_is_stored_once(root: Path) -> None:
    first, second = LocalStore(root), LocalStore(root)
    first.put(b"same" * 1000)
    second.put(b"same" * 1000)
    second.put(b"other")
    assert sum(path.read_bytes().count(b"same" * 1000) for path in packs(root)) == 1


def test_flush_makes_safe_what_another_writer_put(root: Path) -> None:
    first, second = LocalStore(root), LocalStore(root)
    first.put(b"same")
    second.put(b"same")
    assert second._borrowed == {packs(root)[0].name}
    second.flush()
    assert second._borrowed == set()


@pytest.mark.parametrize("cut", [1, 10, 39, 40, 41, 100])
def test_a_torn_tail_is_not_there_and_is_cut_off(root: Path, cut: int) -> None:
    with LocalStore(root) as store:
        whole, torn = store.put(b"whole" * 100), store.put(b"torn" * 100)
    path = packs(root)[0]
    os.truncate(path, path.stat().st_size - cut)
    again = LocalStore(root)
    assert again.get(whole) == b"whole" * 100
    assert not again.has(torn)
    assert again.get(again.put(b"torn" * 100)) == b"torn" * 100


def test_a_pack_without_a_header_is_begun_again(root: Path) -> None:
    LocalStore(root)
    (root / "packs" / "empty.pack").touch()
    with LocalStore(root) as store:
        digest = store.put(b"first")
    assert LocalStore(root).get(digest) == b"first"
    assert len(packs(root)) == 1


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_damaged_object_is_an_error_every_time(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    flip(next(path for path in root.rglob("*") if path.is_file() and data in path.read_bytes()), data)
    again = LocalStore(root)
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            again.get(digest)


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_damaged_object_is_found_by_verify(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
        store.put(b"sound")
    flip(next(path for path in root.rglob("*") if path.is_file() and data in path.read_bytes()), data)
    assert [damage.digest for damage in LocalStore(root).verify()] == [digest]


@pytest.mark.parametrize("size", [100, LARGE])
def test_putting_a_damaged_object_again_mends_it(root: Path, size: int) -> None:
    data = os.urandom(size)
    with LocalStore(root) as store:
        digest = store.put(data)
    flip(next(path for path in root.rglob("*") if path.is_file() and data in path.read_bytes()), data)
    again = LocalStore(root)
    with pytest.raises(StoreError):
        again.get(digest)
    again.put(data)
    assert LocalStore(root).get(digest) == data
    assert list(LocalStore(root).verify()) == []


def test_a_damaged_large_object_is_mended_even_unread(root: Path) -> None:
    data = os.urandom(LARGE)
    digest = LocalStore(root).put(data)
    flip(next((root / "objects").glob("*/*")), data)
    LocalStore(root).put(data)
    assert LocalStore(root).get(digest) == data


def test_a_damaged_object_has_no_path(root: Path) -> None:
    with LocalStore(root) as store:
        digest = store.put(b"sound" * 20)
    flip(packs(root)[0], b"sound" * 20)
    with pytest.raises(StoreError, match="damaged"):
        LocalStore(root).path(digest)


def test_a_damaged_extracted_copy_is_made_anew(root: Path) -> None:
    store = LocalStore(root)
    digest = store.put(b"extracted")
    flip(store.path(digest), b"extracted")
    assert LocalStore(root).path(digest).read_bytes() == b"extracted"


def test_a_large_object_is_verified_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root)
    digest = store.put(os.urandom(LARGE))
    store.get(digest)
    monkeypatch.setattr("mulle.store.loose.digest_file", _never)
    store.path(digest)


def _never(path: Path) -> None:
    raise AssertionError(f"{path} was verified again")


def test_a_read_only_file_is_handed_out(root: Path) -> None:
    store = LocalStore(root)
    assert store.path(store.put(b"read only")).stat().st_mode & 0o222 == 0


def test_nothing_is_left_in_tmp(root: Path) -> None:
    store = LocalStore(root)
    store.put(os.urandom(LARGE))
    store.put_file(Path(__file__))
    assert [path.name for path in (root / "tmp").iterdir()] == ["objects"]


def test_what_dead_writers_left_is_swept(root: Path) -> None:
    LocalStore(root)
    left = root / "tmp" / "4194305-0123456789abcdef"
    left.touch()
    os.utime(left, (0, 0))
    LocalStore(root)
    assert not left.exists()


def test_what_living_writers_need_is_kept(root: Path) -> None:
    LocalStore(root)
    needed = root / "tmp" / f"{os.getpid()}-0123456789abcdef"
    needed.touch()
    os.utime(needed, (0, 0))
    LocalStore(root)
    assert needed.exists()


def test_a_forked_child_writes_a_pack_of_its_own(root: Path) -> None:
    store = LocalStore(root)
    store.put(b"parent")
    child = fork()
    if child == 0:
        store.put(b"child")
        store.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert store.get(digest_bytes(b"child")) == b"child"
    assert len(packs(root)) == 2


def test_a_pack_of_a_newer_version_is_refused(root: Path) -> None:
    LocalStore(root)
    (root / "packs" / "newer.pack").write_bytes(pack.HEADER.pack(b"MULLEPAK", 2, 0) + b"?" * 100)
    with pytest.raises(StoreError) as caught:
        LocalStore(root).get(digest_bytes(b"anything"))
    assert caught.value.cure == "pip install --upgrade mulle"


def test_a_pack_from_before_a_power_cut_keeps_only_what_is_intact(root: Path) -> None:
    with LocalStore(root) as store:
        digests = [store.put(b"%d" % number * 100) for number in range(3)]
    flip(packs(root)[0], b"1" * 100)
    os.utime(packs(root)[0], (0, 0))
    again = LocalStore(root)
    assert [again.has(digest) for digest in digests] == [True, False, True]
    again.put(b"1" * 100)
    assert [LocalStore(root).get(digest) for digest in digests] == [b"%d" % number * 100 for number in range(3)]


class TestCacheOfSealedPacks:
    @pytest.fixture
    def digests(self, root: Path) -> list[str]:
        with LocalStore(root, pack_limit=2_000) as store:
            return [store.put(b"%d" % number * 500) for number in range(10)]

    def test_it_answers_without_the_packs_being_read(self, root: Path, digests: list[str]) -> None:
        with sqlite3.connect(root / "packs.db") as cache:
            count = cache.execute("SELECT count(*) FROM object").fetchone()[0]
        cache.close()
        assert count > 0

    @pytest.mark.parametrize(
        "harm",
        [
            Path.unlink,
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(os.urandom(8192)),
            lambda path: path.write_bytes(path.read_bytes()[:4096] + os.urandom(len(path.read_bytes()) - 4096)),
        ],
        ids=["deleted", "emptied", "garbage", "half garbage"],
    )
    def test_it_is_rebuilt(self, root: Path, digests: list[str], harm: Callable[[Path], object]) -> None:
        harm(root / "packs.db")
        store = LocalStore(root)
        assert all(store.has(digest) for digest in digests)  # type: ignore[arg-type]
        assert sorted(store.digests()) == sorted(digests)

    def test_one_of_another_version_is_rebuilt(self, root: Path, digests: list[str]) -> None:
        cache = sqlite3.connect(root / "packs.db")
        cache.execute("PRAGMA user_version = 9")
        cache.close()
        assert sorted(LocalStore(root).digests()) == sorted(digests)

    def test_one_that_lies_is_not_believed(self, root: Path, digests: list[str]) -> None:
        cache = sqlite3.connect(root / "packs.db", isolation_level=None)
        cache.execute("UPDATE object SET offset = offset + 1")
        cache.close()
        store = LocalStore(root)
        assert [digest_bytes(store.get(digest)) for digest in digests] == digests  # type: ignore[arg-type]

    def test_one_that_forgot_is_not_believed(self, root: Path, digests: list[str]) -> None:
        cache = sqlite3.connect(root / "packs.db", isolation_level=None)
        cache.execute("DELETE FROM object")
        cache.close()
        store = LocalStore(root)
        assert [digest_bytes(store.get(digest)) for digest in digests] == digests  # type: ignore[arg-type]

    def test_a_locked_one_is_done_without(
        self, root: Path, digests: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mulle.store.sealed._WAIT_SECONDS", 0.01)
        cache = sqlite3.connect(root / "packs.db", isolation_level=None)
        cache.execute("BEGIN EXCLUSIVE")
        assert sorted(LocalStore(root).digests()) == sorted(digests)
        cache.close()

    def test_a_damaged_footer_is_scanned_around(self, root: Path, digests: list[str]) -> None:
        (root / "packs.db").unlink()
        for path in packs(root):
            data = bytearray(path.read_bytes())
            data[-30] ^= 1
            path.write_bytes(data)
        assert sorted(LocalStore(root).digests()) == sorted(digests)

    def test_many_packs_do_not_use_up_the_descriptors(
        self, root: Path, digests: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mulle.store.index._MAX_DESCRIPTORS", 1)
        store = LocalStore(root)
        assert all(store.get(digest) for digest in digests)  # type: ignore[arg-type]
        assert len(store._index._descriptors) == 1


def test_an_object_in_two_packs_survives_damage_to_one(root: Path) -> None:
    with LocalStore(root, pack_limit=100) as store:
        digest = store.put(b"precious" * 20)
    sealed = packs(root)[0]
    copy = sealed.with_name("zz.pack")
    copy.write_bytes(sealed.read_bytes())
    flip(sealed, b"precious" * 20)
    store = LocalStore(root)
    assert store.get(digest) == b"precious" * 20
    assert list(store.verify()) == []


def test_the_record_of_an_object_is_its_raw_digest(root: Path) -> None:
    with LocalStore(root) as store:
        digest = store.put(b"raw")
    assert to_raw(digest) in packs(root)[0].read_bytes()
