import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.data.working.folders import Files, checkout, committed, folders, put, read, write

from mulle.data.working.copies import Asked, Copies
from mulle.errors import DataError, StoreError
from mulle.hashing import digest_bytes
from mulle.store import LocalStore, put_tree
from mulle.testing.memory_store import MemoryStore
from mulle.types import Digest

ONE: Files = {b"a": (b"1", False), b"d/x": (b"2", True), b"d/y": (b"3", False), b"gone/z": (b"4", False)}
TWO: Files = {b"a": (b"1", False), b"d/x": (b"2", False), b"d/y": (b"changed", False), b"new/n": (b"5", False)}


@pytest.fixture
def trees(copies: Copies, tmp_path: Path) -> tuple[Digest, Digest]:
    return put_tree(copies.store, write(tmp_path / "1", ONE)), put_tree(copies.store, write(tmp_path / "2", TWO))


def made(copies: Copies, folder: Path, files: Files) -> Digest:
    return put_tree(copies.store, write(folder, files))


@given(folders, folders)
@settings(max_examples=80, deadline=None)
def test_a_folder_becomes_the_version_and_is_clean(
    tmp_path_factory: pytest.TempPathFactory, before: Files, after: Files
) -> None:
    scratch = tmp_path_factory.mktemp("out")
    copies = Copies(MemoryStore(), scratch / "working", processes=0)
    one, two = made(copies, scratch / "1", before), made(copies, scratch / "2", after)
    checkout(copies, one, scratch / "out", 1)
    checkout(copies, two, scratch / "out", 2)
    assert read(scratch / "out") == after
    assert copies.status("d", scratch / "out", None).clean
    assert copies.add("d", scratch / "out").tree == two


@given(folders, folders, folders)
@settings(max_examples=80, deadline=None)
def test_nothing_that_no_version_has_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, before: Files, mine: Files, after: Files
) -> None:
    scratch = tmp_path_factory.mktemp("out")
    copies = Copies(MemoryStore(), scratch / "working", processes=0)
    one, two = made(copies, scratch / "1", before), made(copies, scratch / "2", after)
    folder = scratch / "out"
    checkout(copies, one, folder, 1)
    write(folder, mine)
    try:
        checkout(copies, two, folder, 2)
    except DataError:
        assert read(folder) == mine
        return
    found = read(folder)
    assert all(found.get(path) == file for path, file in after.items())
    for path, file in mine.items():
        assert found.get(path) == file or before.get(path) == file


def test_only_what_differs_is_written(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    checkout(copies, trees[0], folder)
    inode = (folder / "a").stat().st_ino
    done = checkout(copies, trees[1], folder, 2)
    assert (done.written, done.removed, done.unchanged) == (3, 1, 1)
    assert (folder / "a").stat().st_ino == inode
    assert read(folder) == TWO
    assert not (folder / "gone").exists()


def test_a_checkout_over_the_same_version_writes_nothing(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    checkout(copies, trees[0], tmp_path / "out")
    assert checkout(copies, trees[0], tmp_path / "out").written == 0


def test_a_removed_folder_comes_back(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    checkout(copies, trees[0], tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    checkout(copies, trees[0], tmp_path / "out")
    assert read(tmp_path / "out") == ONE


def test_a_removed_file_comes_back(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    checkout(copies, trees[0], tmp_path / "out")
    (tmp_path / "out" / "d" / "y").unlink()
    checkout(copies, trees[0], tmp_path / "out")
    assert read(tmp_path / "out") == ONE


def test_a_changed_file_is_not_overwritten_unless_forced(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    checkout(copies, trees[0], folder)
    put(folder, b"d/y", (b"mine", False))
    with pytest.raises(DataError, match="d/y") as caught:
        checkout(copies, trees[1], folder, 2)
    assert "--force" in str(caught.value.cure)
    assert (folder / "d" / "y").read_bytes() == b"mine"
    checkout(copies, trees[1], folder, 2, force=True)
    assert read(folder) == TWO


def test_what_is_staged_is_not_overwritten_either(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    checkout(copies, trees[0], folder)
    put(folder, b"d/y", (b"mine", False))
    copies.add("d", folder)
    with pytest.raises(DataError, match="d/y"):
        checkout(copies, trees[1], folder, 2)


def test_a_file_of_one_s_own_stays(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    checkout(copies, trees[0], folder)
    put(folder, b"gone/mine", (b"own", False))
    checkout(copies, trees[1], folder, 2)
    assert read(folder) == TWO | {b"gone/mine": (b"own", False)}


def test_a_file_of_one_s_own_is_not_overwritten(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    checkout(copies, trees[0], folder)
    put(folder, b"new/n", (b"own", False))
    with pytest.raises(DataError, match="new/n"):
        checkout(copies, trees[1], folder, 2)


def test_a_folder_that_holds_the_files_already_is_taken_as_it_is(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    folder = write(tmp_path / "out", ONE)
    assert checkout(copies, trees[0], folder).written == 0
    assert copies.status("d", folder, None).clean


def test_a_file_where_a_folder_must_be_is_refused(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = write(tmp_path / "out", {b"d": (b"mine", False)})
    with pytest.raises(DataError, match="is a file"):
        checkout(copies, trees[0], folder)
    assert read(folder) == {b"d": (b"mine", False)}


def test_a_folder_of_one_s_own_where_a_file_must_be_is_refused(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    folder = write(tmp_path / "out", {b"a/mine": (b"x", False)})
    with pytest.raises(DataError, match="files of yours"):
        checkout(copies, trees[0], folder)


def test_nothing_is_written_through_a_link(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {})
    folder = write(tmp_path / "out", {})
    (folder / "d").symlink_to(outside)
    with pytest.raises(DataError, match="is a link"):
        checkout(copies, trees[0], folder)
    assert read(outside) == {}


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    outside = write(tmp_path / "outside", {b"precious": (b"keep", False)})
    folder = write(tmp_path / "out", {})
    (folder / "a").symlink_to(outside / "precious")
    checkout(copies, trees[0], folder, force=True)
    assert (outside / "precious").read_bytes() == b"keep"
    assert not (folder / "a").is_symlink()


def test_part_of_a_version(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    copies.checkout(Asked("d@1", "d", 1, trees[0], parts=("d",)), folder)
    assert read(folder) == {b"d/x": (b"2", True), b"d/y": (b"3", False)}
    assert copies.status("d", folder, None).clean
    copies.checkout(Asked("d@1", "d", 1, trees[0], parts=("a",)), folder)
    assert read(folder).keys() == {b"a", b"d/x", b"d/y"}


def test_a_part_that_is_not_there_is_an_error_with_a_cure(
    copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught:
        copies.checkout(Asked("d@1", "d", 1, trees[0], parts=("absent",)), tmp_path / "out")
    assert caught.value.cure


def test_links_share_the_store_s_file_and_are_read_only(store: LocalStore, tmp_path: Path) -> None:
    copies = Copies(store, tmp_path / "working", processes=0)
    files = {b"large": (b"x" * 2_000_000, False), b"small": (b"y", False), b"run": (b"z", True)}
    tree = made(copies, tmp_path / "1", files)
    checkout(copies, tree, tmp_path / "out", link=True)
    assert (tmp_path / "out" / "large").stat().st_nlink == 2
    assert (tmp_path / "out" / "large").samefile(store.path(digest_bytes(files[b"large"][0])))
    assert not (tmp_path / "out" / "small").stat().st_mode & 0o222
    assert (tmp_path / "out" / "run").stat().st_mode & 0o100
    assert copies.status("d", tmp_path / "out", None).clean


def test_links_are_replaced_by_the_next_version(store: LocalStore, tmp_path: Path) -> None:
    copies = Copies(store, tmp_path / "working", processes=0)
    one = made(copies, tmp_path / "1", {b"a": (b"x" * 2_000_000, False)})
    two = made(copies, tmp_path / "2", {b"a": (b"y" * 2_000_000, False)})
    checkout(copies, one, tmp_path / "out", link=True)
    checkout(copies, two, tmp_path / "out", 2)
    assert list(store.verify()) == []
    assert (tmp_path / "out" / "a").read_bytes() == b"y" * 2_000_000


def test_a_damaged_object_is_never_written_out(store: LocalStore, tmp_path: Path) -> None:
    copies = Copies(store, tmp_path / "working", processes=0)
    tree = made(copies, tmp_path / "1", {b"a": (b"x" * 2_000_000, False)})
    path = store.path(digest_bytes(b"x" * 2_000_000))
    path.chmod(0o644)
    path.write_bytes(b"x" * 1_999_999 + b"y")
    with pytest.raises(StoreError, match="damaged"):
        checkout(copies, tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_killed_checkout_left_is_swept(copies: Copies, trees: tuple[Digest, Digest], tmp_path: Path) -> None:
    folder = write(tmp_path / "out", {b"d/.mulle-999999999-abc": (b"half", False)})
    put(folder, b".mulle-999999999-def/inner", (b"half", False))
    put(folder, b"d/.mulle-%d-abc" % os.getpid(), (b"somebody's", False))
    checkout(copies, trees[0], folder)
    assert read(folder) == ONE | {b"d/.mulle-%d-abc" % os.getpid(): (b"somebody's", False)}


@pytest.mark.parametrize("processes", [0, 2])
def test_many_files_by_workers(store: LocalStore, tmp_path: Path, processes: int) -> None:
    files = {b"%d/%04d" % (number % 3, number): (b"%d" % number, number % 7 == 0) for number in range(2_000)}
    files[b"large"] = (b"x" * 3_000_000, False)
    copies = Copies(store, tmp_path / "working", processes=processes)
    tree = committed(copies, write(tmp_path / "in", files))
    checkout(copies, tree, tmp_path / "out")
    assert read(tmp_path / "out") == files
    time.sleep(0.06)
    assert copies.status("d", tmp_path / "out", None).clean
