import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.working.folders import Files, committed, folders, put, read, write

from mulle.data.working.copies import Copies
from mulle.data.working.index import Index, path_for, roots, row
from mulle.data.working.survey import Survey
from mulle.errors import DataError, StoreError
from mulle.hashing import from_raw
from mulle.hashing.tree import shown
from mulle.store import LocalStore, put_tree
from mulle.store.taking import Taken
from mulle.store.tree import Trees
from mulle.testing.memory_store import MemoryStore


def expected(before: Files, after: Files) -> dict[str, list[str]]:
    return {
        "added": sorted(shown(path) for path in after.keys() - before.keys()),
        "removed": sorted(shown(path) for path in before.keys() - after.keys()),
        "changed": sorted(shown(path) for path in before.keys() & after.keys() if before[path] != after[path]),
    }


def told(copies: Copies, folder: Path) -> dict[str, list[str]]:
    found = copies.status("d", folder, None).examples
    return {"added": sorted(found.added), "removed": sorted(found.removed), "changed": sorted(found.changed)}


@given(folders, folders)
@settings(max_examples=60, deadline=None)
def test_status_tells_exactly_what_differs(
    tmp_path_factory: pytest.TempPathFactory, before: Files, after: Files
) -> None:
    scratch = tmp_path_factory.mktemp("status")
    copies = Copies(MemoryStore(), scratch / "working", processes=0)
    folder = write(scratch / "in", before)
    committed(copies, folder)
    write(folder, after)
    assert told(copies, folder) == expected(before, after)


@given(folders, folders, folders)
@settings(max_examples=60, deadline=None)
def test_what_is_staged_but_in_no_version_differs_too(
    tmp_path_factory: pytest.TempPathFactory, before: Files, staged: Files, after: Files
) -> None:
    scratch = tmp_path_factory.mktemp("status")
    copies = Copies(MemoryStore(), scratch / "working", processes=0)
    folder = write(scratch / "in", before)
    committed(copies, folder)
    write(folder, staged)
    copies.add("d", folder)
    write(folder, after)
    assert told(copies, folder) == expected(before, after)


@given(st.lists(folders, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_staged_tree_is_that_of_the_folder(tmp_path_factory: pytest.TempPathFactory, history: list[Files]) -> None:
    scratch = tmp_path_factory.mktemp("add")
    store = MemoryStore()
    copies = Copies(store, scratch / "working", processes=0)
    for files in history:
        folder = write(scratch / "in", files)
        added = copies.add("d", folder)
        assert added.tree == put_tree(store, folder)
        assert {path for path, _ in Trees(store).walk(Trees(store).root(added.tree))} == set(files)


def test_after_add_nothing_is_read_again(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False), b"b/c": (b"2", False)})
    time.sleep(0.06)
    committed(copies, folder)
    for path in ("a", "b/c"):
        (folder / path).chmod(0o000)  # whoever reads fails, unless it is root
    if os.geteuid():
        assert copies.status("d", folder, None).clean
    with copies.index(folder) as index:
        assert all(found[3] for path in index.folders() for found in index.folder(path).files.values())


def test_a_change_within_the_tick_of_the_reading_is_seen(copies: Copies, tmp_path: Path) -> None:
    """Same size, same times: as a program that writes twice within a tick of the clock leaves it."""
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    committed(copies, folder)
    before = (folder / "a").stat()
    (folder / "a").write_bytes(b"2")
    os.utime(folder / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(copies, folder)["changed"] == ["a"]


@pytest.mark.parametrize(
    ("ctime", "read", "trusted"),
    [(10_000_000_001, 10_040_000_000, False), (10_000_000_001, 10_060_000_000, True),
     (10_000_000_000, 11_900_000_000, False), (10_000_000_000, 12_100_000_000, True)],
)  # fmt: skip
def test_a_file_as_new_as_the_reading_is_distrusted(ctime: int, read: int, trusted: bool) -> None:
    """Where the file system keeps whole seconds, two of them must have passed."""
    taken = Taken(b"x" * 32, 1, 5, ctime, 7, executable=False)
    assert (row(b"a", taken, read)[3] != 0) == trusted


def test_a_file_that_was_only_touched_is_clean(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    committed(copies, folder)
    os.utime(folder / "a", (5, 5))
    assert copies.status("d", folder, None).clean


def test_without_a_version_everything_is_added(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    found = copies.status("d", folder, None)
    assert (found.version, found.clean, found.added) == (None, False, 1)


def test_a_lost_index_costs_reading_not_the_truth(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False), b"b": (b"2", False)})
    tree = committed(copies, folder)
    path_for(copies.folder, folder).write_bytes(b"no database")
    put(folder, b"b", (b"3", False))
    with copies.index(folder) as index:
        index.set_origin("d", 1, tree)
    assert told(copies, folder) == {"added": [], "removed": [], "changed": ["b"]}


def test_an_index_of_another_version_is_made_anew(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    committed(copies, folder)
    with copies.index(folder) as index:
        index._db.execute("PRAGMA user_version = 99")
    assert copies.status("d", folder, None).version is None


def test_what_is_git_s_and_ours_is_left_out(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False), b".git/HEAD": (b"x", False), b".mulle/x": (b"x", False)})
    assert copies.add("d", folder).files == 1


def test_links_are_followed(copies: Copies, tmp_path: Path) -> None:
    real = write(tmp_path / "real", {b"deep/x": (b"1", False)})
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    (folder / "link").symlink_to(real)
    assert copies.add("d", folder).files == 2
    (folder / "link" / "again").symlink_to(folder)
    with pytest.raises(StoreError, match="leads back"):
        copies.add("d", folder)


def test_a_link_to_nowhere_is_an_error_with_a_cure(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {})
    (folder / "link").symlink_to("absent")
    with pytest.raises(StoreError) as caught:
        copies.add("d", folder)
    assert caught.value.cure


def test_nothing_there_is_an_error_with_a_cure(copies: Copies, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        copies.add("d", tmp_path / "absent")
    assert caught.value.cure


def test_a_single_file_is_a_copy_of_its_own(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False), b"b": (b"2", False)})
    tree = committed(copies, folder / "a")
    assert tree == put_tree(copies.store, folder / "a")
    (folder / "a").write_bytes(b"3")
    assert told(copies, folder / "a") == {"added": [], "removed": [], "changed": ["a"]}


def test_one_changed_file_is_the_only_one_read(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"%03d" % number: (b"%d" % number, False) for number in range(50)})
    time.sleep(0.06)
    committed(copies, folder)
    put(folder, b"007", (b"new", False))
    with copies.index(folder) as index, index.locked():
        survey = Survey(copies.store, index, folder, keep=False, processes=0)
        assert [wanted.path for wanted, _, _ in survey._unknown()] == [b"007"]


@pytest.mark.parametrize("processes", [0, 2])
def test_workers_give_the_same_tree(store: LocalStore, tmp_path: Path, processes: int) -> None:
    files = {b"%d/%04d" % (number % 3, number): (b"%d" % (number % 700), number % 2 == 0) for number in range(2_000)}
    files[b"large"] = (b"x" * 3_000_000, False)
    folder = write(tmp_path / "in", files)
    copies = Copies(store, tmp_path / "working", processes=processes)
    assert copies.add("d", folder).tree == put_tree(MemoryStore(), folder)
    assert list(store.verify()) == []
    assert len(list(store.digests())) <= 700 + 700 + 20


def test_a_file_that_vanishes_while_workers_read_is_an_error_with_a_cure(store: LocalStore, tmp_path: Path) -> None:
    files = {b"%04d" % number: (b"%d" % number, False) for number in range(2_000)}
    folder = write(tmp_path / "in", files)
    (folder / "1999").unlink()
    (folder / "1999").symlink_to("/proc/self/mem")  # a file that cannot be read
    copies = Copies(store, tmp_path / "working", processes=2)
    with pytest.raises(StoreError) as caught:
        copies.add("d", folder)
    assert caught.value.cure


def test_the_trees_of_all_copies_are_roots_of_gc(copies: Copies, tmp_path: Path) -> None:
    one = committed(copies, write(tmp_path / "one", {b"a": (b"1", False)}))
    two = committed(copies, write(tmp_path / "two", {b"a": (b"2", False)}))
    put(tmp_path / "two", b"a", (b"3", False))
    three = copies.add("d", tmp_path / "two").tree
    assert roots(copies.folder) == {one, two, three}
    assert roots(tmp_path / "absent") == set()


def test_an_emptied_folder_is_an_empty_tree(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a/b/c": (b"1", False)})
    committed(copies, folder)
    shutil.rmtree(folder / "a")
    assert told(copies, folder)["removed"] == ["a/b/c"]
    assert copies.add("d", folder).files == 0
    assert read(folder) == {}


def test_an_index_is_shared_by_all_who_change_it(copies: Copies, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {b"a": (b"1", False)})
    with copies.index(folder) as index, index.locked():
        index.put(b"", None, [], [])
        other = Index(path_for(copies.folder, folder))
        assert other.folder(b"").files == {}
        other.close()
    assert from_raw(b"\0" * 32).startswith("b3:")
