from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.hashing import digest_bytes
from mulle.store.bucket import Bucket
from mulle.store.cloud import CloudStore


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


def opened(remote: Path, name: str = "one") -> CloudStore:
    """A store of somebody else over the same folder."""
    return CloudStore(Bucket(str(remote)), remote.parent / f"cache-{name}")


def test_others_find_what_was_flushed(remote: Path) -> None:
    ours, theirs = opened(remote), opened(remote, "two")
    assert not theirs.has(digest_bytes(b"small"))
    ours.put(b"small")
    ours.flush()
    assert theirs.get(digest_bytes(b"small")) == b"small"


def test_small_objects_go_out_together(remote: Path) -> None:
    store = opened(remote)
    for number in range(100):
        store.put(b"%d" % number)
    store.flush()
    assert len(list((remote / "packs").glob("*.pack"))) == 1


def test_the_cache_may_be_deleted(remote: Path) -> None:
    ours = opened(remote)
    digest = ours.put(b"small")
    ours.flush()
    ours.close()
    shutil.rmtree(remote.parent / "cache-one")
    assert opened(remote).get(digest) == b"small"


def test_a_pack_without_its_index_is_not_there_and_is_sent_again(remote: Path) -> None:
    ours = opened(remote)
    digest = ours.put(b"small")
    ours.flush()
    for index in (remote / "packs").glob("*.idx"):
        index.unlink()
    again = opened(remote, "two")
    assert not again.has(digest)
    again.put(b"small")
    again.flush()
    assert opened(remote, "three").has(digest)


def test_a_pack_that_is_gone_is_forgotten(remote: Path) -> None:
    ours = opened(remote)
    digest = ours.put(b"small")
    ours.flush()
    shutil.rmtree(remote / "packs")
    assert not opened(remote).has(digest)


def test_a_damaged_index_is_read_from_the_pack_itself(remote: Path) -> None:
    ours = opened(remote)
    digest = ours.put(b"small")
    ours.flush()
    [index] = (remote / "packs").glob("*.idx")
    index.write_bytes(b"damage")
    assert opened(remote, "two").get(digest) == b"small"


def test_a_pack_of_another_length_than_its_name_says_is_damage(remote: Path) -> None:
    ours = opened(remote)
    ours.put(b"small")
    ours.flush()
    [pack] = (remote / "packs").glob("*.pack")
    pack.write_bytes(b"cut")
    next((remote / "packs").glob("*.idx")).unlink()
    again = opened(remote, "two")
    again.put(b"small")
    with pytest.raises(StoreError, match="damaged"):
        again.flush()


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_damage_is_named_by_every_read_and_by_verify(remote: Path, size: int) -> None:
    ours = opened(remote)
    digest = ours.put(os.urandom(size))
    ours.flush()
    files = [*(remote / "packs").glob("*.pack"), *(remote / "objects").rglob("*")]
    path = next(path for path in files if path.is_file())
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)
    theirs = opened(remote, "two")
    for ask in (theirs.get, theirs.path):
        with pytest.raises(StoreError, match=digest):
            ask(digest)
    assert [each.digest for each in theirs.verify()] == [digest]


def test_what_came_of_a_large_object_is_not_fetched_again(remote: Path) -> None:
    data = os.urandom(20_000_000)
    digest = opened(remote).put(data)
    theirs = opened(remote, "two")
    partial = remote.parent / "cache-two" / "partial" / digest[3:]
    partial.parent.mkdir(parents=True)
    partial.write_bytes(data[:15_000_000])
    assert theirs.path(digest).read_bytes() == data
    assert theirs.received < 5_100_000


def test_a_partial_file_that_is_not_its_beginning_is_dropped(remote: Path) -> None:
    data = os.urandom(20_000_000)
    digest = opened(remote).put(data)
    theirs = opened(remote, "two")
    partial = remote.parent / "cache-two" / "partial" / digest[3:]
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"something else")
    with pytest.raises(StoreError, match="damaged"):
        theirs.path(digest)
    assert theirs.path(digest).read_bytes() == data


def test_a_file_that_changes_while_it_is_sent_is_refused(remote: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(20_000_000))
    store = opened(remote)
    with pytest.raises(StoreError, match="another digest"):
        store.send_file(digest_bytes(b"what it was"), tmp_path / "file")
    assert list(store.digests()) == []


def test_those_of_many_that_are_missing_are_told_in_their_order(remote: Path) -> None:
    store = opened(remote)
    here = [store.put(os.urandom(size)) for size in (10, 2_000_000)]
    store.flush()
    absent = [digest_bytes(b"%d" % number) for number in range(40)]
    assert opened(remote, "two").missing([absent[1], *here, *absent]) == [absent[1], *absent]


def test_many_are_fetched_verified(remote: Path) -> None:
    store = opened(remote)
    contents = {digest_bytes(each): each for each in (os.urandom(number) for number in range(0, 3000, 7))}
    for each in contents.values():
        store.put(each)
    store.flush()
    assert dict(opened(remote, "two").fetch(contents)) == contents
