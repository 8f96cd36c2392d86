import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.hashing import TreeEntry, digest_bytes, encode_manifest, from_raw, to_raw
from mulle.hashing.tree import Entry, file_entry, put_files
from mulle.store import get_tree, put_tree
from mulle.store.tree import Trees, files_of, reachable, subtree
from mulle.testing.memory_store import MemoryStore
from mulle.types import Digest

NAMES = [b"a", b"b", b"c.txt", b"\xff\xfe", "물레".encode(), b"new\nline", b"-f", b" "]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)
File = tuple[bytes, bool]
files = st.dictionaries(paths, st.tuples(st.binary(max_size=3), st.booleans()))


def without_conflicts(files: dict[bytes, File]) -> dict[bytes, File]:
    """Less those files that lie where a folder must be."""
    folders = {path[:at] for path in files for at in range(len(path)) if path[at : at + 1] == b"/"}
    return {path: file for path, file in files.items() if path not in folders}


trees = files.map(without_conflicts)


def planted(store: MemoryStore, files: dict[bytes, File]) -> Digest:
    entries = (
        (path, file_entry(b"", to_raw(store.put(data)), len(data), executable=executable))
        for path, (data, executable) in files.items()
    )
    return from_raw(put_files(entries, store.put).raw)


def on_disk(folder: Path) -> dict[bytes, File]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            found[os.fsencode(path.relative_to(folder))] = (path.read_bytes(), executable)
    return found


def write(folder: Path, files: dict[bytes, File]) -> None:
    folder.mkdir()
    for name, (data, executable) in files.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if executable else 0o644)


@given(trees)
@settings(deadline=None)
def test_a_folder_comes_back(tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, File]) -> None:
    folder, store = tmp_path_factory.mktemp("tree"), MemoryStore()
    write(folder / "in", files)
    digest = put_tree(store, folder / "in")
    get_tree(store, digest, folder / "out")
    assert on_disk(folder / "out") == files
    assert digest == planted(store, files)


def brute(a: dict[bytes, File], b: dict[bytes, File]) -> dict[bytes, tuple[bool, bool]]:
    return {path: (path in a, path in b) for path in a.keys() | b.keys() if a.get(path) != b.get(path)}


def differences(store: MemoryStore, a: Digest, b: Digest) -> dict[bytes, tuple[bool, bool]]:
    trees = Trees(store)
    found = list(trees.diff(trees.root(a), trees.root(b)))
    assert len({change.path for change in found}) == len(found)
    return {change.path: (change.before is not None, change.after is not None) for change in found}


@given(trees, trees)
@settings(max_examples=300, deadline=None)
def test_a_diff_is_what_comparing_every_path_gives(a: dict[bytes, File], b: dict[bytes, File]) -> None:
    store = MemoryStore()
    assert differences(store, planted(store, a), planted(store, b)) == brute(a, b)


@pytest.mark.parametrize("count", [100, 3_000, 150_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_diff_of_large_folders_is_what_comparing_every_path_gives(count: int, seed: int) -> None:
    store, chance = MemoryStore(), random.Random(seed)
    digests = [store.put(b"%d" % number) for number in range(3)]
    before = {b"d/%06d" % number: 0 for number in range(count)}
    after = {path: chance.choice([1, 2]) if chance.random() < 0.001 else 0 for path in before}
    for path in chance.sample(sorted(after), 5):
        del after[path]
    after |= {b"d/%06d.new" % chance.randrange(count): 1 for _ in range(5)}
    a, b = (
        from_raw(put_files(((path, Entry(b"", 0, to_raw(digests[at]), 1)) for path, at in tree.items()), store.put).raw)
        for tree in (before, after)
    )
    expected = {
        path: (path in before, path in after)
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }
    assert differences(store, a, b) == expected
    assert differences(store, b, a).keys() == expected.keys()


class Counting(MemoryStore):
    """Counts the objects that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, digest: Digest) -> bytes:
        self.reads += 1
        return super().get(digest)


def test_a_diff_reads_only_nodes_that_differ() -> None:
    store = Counting()
    raw = to_raw(store.put(b"x"))
    before = {b"%03d/%03d" % (at // 100, at % 100): Entry(b"", 0, raw, 1) for at in range(10_000)}
    after = before | {b"007/042": Entry(b"", 1, raw, 1)}
    a, b = (from_raw(put_files(tree.items(), store.put).raw) for tree in (before, after))
    assert differences(store, a, b) == {b"007/042": (True, True)}
    assert store.reads == 4


def test_finding_a_path_reads_one_node_a_level() -> None:
    store = Counting()
    raw = to_raw(store.put(b"x"))
    tree = {b"%03d/%06d" % (at % 3, at): Entry(b"", 0, raw, at) for at in range(30_000)}
    digest = from_raw(put_files(tree.items(), store.put).raw)
    assert subtree(store, digest, b"001/000004").size == 4
    assert subtree(store, digest, b"001").files == 10_000
    assert store.reads <= 5


@pytest.mark.parametrize("path", [b"absent", b"a/absent", b"a/b/c"])
def test_a_path_that_is_not_there_is_an_error_with_a_cure(path: bytes) -> None:
    store = MemoryStore()
    with pytest.raises(StoreError) as caught:
        subtree(store, planted(store, {b"a/b": (b"x", False)}), path)
    assert caught.value.cure


def former() -> Iterator[TreeEntry]:
    yield TreeEntry("a/x", digest_bytes(b"1"), 1)
    yield TreeEntry("a/y", digest_bytes(b"2"), 1, 0o755)
    yield TreeEntry("z", digest_bytes(b"3"), 1)


def test_a_tree_of_format_1_is_read_as_any_other() -> None:
    store = MemoryStore()
    old = store.put(encode_manifest(former()))
    new = planted(store, {b"a/x": (b"1", False), b"a/y": (b"2", True), b"z": (b"3", False)})
    assert list(files_of(store, old)) == list(files_of(store, new)) == list(former())
    assert differences(store, old, new) == {}
    assert subtree(store, old, b"a").files == 2


def test_every_object_of_a_tree_is_reachable_once() -> None:
    store = MemoryStore()
    digest = planted(store, {b"a/x": (b"1", False), b"b/x": (b"1", False), b"z": (b"3", False)})
    assert sorted(child.digest for child in reachable(store, digest)) == sorted(store.digests())


def test_links_are_followed(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path / "real", {b"deep/file": (b"x", False)})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").symlink_to(tmp_path / "real" / "deep" / "file")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "real")
    found = {entry.path for entry in files_of(store, put_tree(store, tmp_path / "in"))}
    assert found == {"file", "folder/deep/file"}


def test_a_link_that_leads_back_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    with pytest.raises(StoreError, match="leads back"):
        put_tree(MemoryStore(), tmp_path / "in")


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lost").symlink_to(tmp_path / "absent")
    with pytest.raises(StoreError, match="leads nowhere"):
        put_tree(MemoryStore(), tmp_path / "in")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe")
    with pytest.raises(StoreError, match="neither"):
        put_tree(MemoryStore(), tmp_path / "in")


def test_empty_folders_are_not_kept(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path / "in", {b"a/x": (b"1", False)})
    before = put_tree(store, tmp_path / "in")
    (tmp_path / "in" / "empty" / "inner").mkdir(parents=True)
    assert put_tree(store, tmp_path / "in") == before
