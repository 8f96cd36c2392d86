"""A disk that is full or fails, at every operation."""

import errno
import os
from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.store import LocalStore
from mulle.testing.faults import FaultyFiles

LARGE = 1_200_000
FAULTS = range(1, 13)


def work(store: LocalStore, contents: list[bytes]) -> list[bool]:
    """Put and flush everything; for each content whether both were acknowledged."""
    done = []
    for data in contents:
        try:
            store.put(data)
            store.flush()
        except StoreError as error:
            if not error.cure:
                raise
            done.append(False)
        else:
            done.append(True)
    return done


@pytest.fixture
def contents() -> list[bytes]:
    return [os.urandom(size) for size in (10, 2_000, LARGE, 1, 3_000)]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("fail_at", FAULTS)
def test_what_was_acknowledged_is_there(tmp_path: Path, contents: list[bytes], fail_at: int, error: int) -> None:
    LocalStore(tmp_path)
    done = work(LocalStore(tmp_path, pack_limit=2_500, files=FaultyFiles(fail_at, error)), contents)
    digests = list(LocalStore(tmp_path).digests())
    kept = [LocalStore(tmp_path).get(digest) for digest in digests]
    assert all(data in kept for data, was_done in zip(contents, done, strict=True) if was_done)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("fail_at", FAULTS)
def test_nothing_is_half_written(tmp_path: Path, contents: list[bytes], fail_at: int, error: int) -> None:
    LocalStore(tmp_path)
    work(LocalStore(tmp_path, pack_limit=2_500, files=FaultyFiles(fail_at, error)), contents)
    assert list(LocalStore(tmp_path).verify()) == []
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["objects"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("fail_at", FAULTS)
def test_the_same_store_goes_on_when_the_disk_is_well_again(
    tmp_path: Path, contents: list[bytes], fail_at: int, error: int
) -> None:
    LocalStore(tmp_path)
    files = FaultyFiles(fail_at, error)
    store = LocalStore(tmp_path, pack_limit=2_500, files=files)
    work(store, contents)
    files.mend()
    assert work(store, contents) == [True] * len(contents)
    assert sorted(map(LocalStore(tmp_path).get, LocalStore(tmp_path).digests())) == sorted(contents)


def test_a_full_disk_says_how_to_go_on(tmp_path: Path) -> None:
    LocalStore(tmp_path)
    with pytest.raises(StoreError, match="No space left") as caught:
        LocalStore(tmp_path, files=FaultyFiles(1)).put(b"data")
    assert "free space" in str(caught.value.cure)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        LocalStore(tmp_path / "file" / "workspace")
    assert caught.value.cure


def test_after_a_failed_sync_the_objects_are_put_again(tmp_path: Path) -> None:
    LocalStore(tmp_path)
    files = FaultyFiles()
    store = LocalStore(tmp_path, files=files)
    digest = store.put(b"not safe")
    files.fail_at = files.calls + 1
    with pytest.raises(StoreError):
        store.flush()
    files.mend()
    assert not store.has(digest)
    store.put(b"not safe")
    store.flush()
    assert len(list((tmp_path / "packs").glob("*.pack"))) == 2
