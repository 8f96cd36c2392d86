from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.data import DataService
from mulle.data.branches import MergeConflictError
from mulle.data.treemerging import merge_trees
from mulle.hashing import digest_bytes, from_raw, to_raw
from mulle.hashing.tree import FILE, Entry, put_files
from mulle.store.tree import files_of
from mulle.testing.memory_store import MemoryStore

Files = dict[str, str]
names = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "x"])
trees_ = st.dictionaries(names, st.sampled_from("123"), max_size=6)


def tree(store: MemoryStore, files: Files) -> Any:
    entries = {name: store.put(text.encode()) for name, text in files.items()}
    listed = ((name.encode(), Entry(b"", FILE, to_raw(digest), 1)) for name, digest in entries.items())
    return from_raw(put_files(listed, store.put).raw)


def files(store: MemoryStore, digest: Any) -> Files:
    return {entry.path: store.get(entry.digest).decode() for entry in files_of(store, digest)}


def by_hand(base: Files, ours: Files, theirs: Files) -> tuple[Files, list[str]]:
    """The merge said in another way: path by path."""
    merged: Files = {}
    conflicts = []
    for path in base.keys() | ours.keys() | theirs.keys():
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine != was and other not in (was, mine):
            conflicts.append(path)
        chosen = other if mine == was else mine
        if chosen is not None:
            merged[path] = chosen
    return merged, sorted(conflicts)


@given(trees_, trees_, trees_)
def test_each_path_is_merged_by_itself(base: Files, ours: Files, theirs: Files) -> None:
    store = MemoryStore()
    digest, conflicts = merge_trees(store, *(tree(store, each) for each in (base, ours, theirs)))
    merged, expected = by_hand(base, ours, theirs)
    assert sorted(each.path for each in conflicts) == expected
    assert files(store, digest) == (ours if expected else merged)


def test_without_anything_in_common_what_both_have_must_be_equal() -> None:
    store = MemoryStore()
    ours, theirs = tree(store, {"a": "1", "b": "2"}), tree(store, {"b": "2", "c": "3"})
    assert files(store, merge_trees(store, None, ours, theirs)[0]) == {"a": "1", "b": "2", "c": "3"}
    (conflict,) = merge_trees(store, None, ours, tree(store, {"b": "3"}))[1]
    assert (conflict.path, conflict.base, conflict.theirs) == ("b", None, digest_bytes(b"3"))


def test_a_file_where_the_other_has_a_folder_is_a_conflict() -> None:
    store = MemoryStore()
    ours, theirs = tree(store, {"a": "1", "d": "1"}), tree(store, {"a": "1", "d/b": "1"})
    _, conflicts = merge_trees(store, tree(store, {"a": "1"}), ours, theirs)
    assert [each.path for each in conflicts] == ["d"]


@pytest.fixture
def photos(data: DataService, tmp_path: Path) -> Any:
    """Commits a folder of files to a branch of `photos`."""

    def commit(number: int, branch: str = "main", **content: str) -> Any:
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
        return data.commit("photos", folder, branch=branch)

    commit(1, a="1", b="1")
    data.branch("photos", "dev")
    return commit


def test_files_that_only_one_side_changed_are_merged(data: DataService, photos: Any, tmp_path: Path) -> None:
    photos(2, a="2", b="1")
    photos(3, "dev", a="1", b="1", c="3")
    merged = data.merge("photos", "dev", message="both")
    version = merged.version
    assert (merged.result, version.parent, version.merged, version.message) == ("merged", 2, 3, "both")
    data.checkout("photos", tmp_path / "out")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"a": "2", "b": "1", "c": "3"}
    assert [each.number for each in data.log("photos@main")] == [4, 3, 2, 1]
    assert data.merge("photos", "dev").result == "up to date"


def test_a_conflict_is_told_by_path_and_nothing_is_merged(data: DataService, photos: Any) -> None:
    photos(2, a="2", b="1")
    photos(3, "dev", a="3")
    with pytest.raises(MergeConflictError, match=r"a: b3:.* here, b3:.* there") as refused:
        data.merge("photos", "dev")
    assert [each.path for each in refused.value.conflicts] == ["a"]
    assert data.head("photos").number == 2


def test_after_a_merge_the_branch_goes_on_from_it(data: DataService, photos: Any) -> None:
    photos(2, a="2", b="1")
    photos(3, "dev", a="1", b="3")
    data.merge("photos", "dev")
    assert data.merge("photos", "main", into="dev").result == "fast-forward"
    photos(4, "dev", a="2", b="4")
    assert data.merge("photos", "dev").result == "fast-forward"
