import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.hashing import TreeEntry, decode_manifest, digest_bytes, digest_tree, encode_manifest, from_raw, to_raw
from mulle.hashing import tree as trees
from mulle.hashing.tree import Entry, children, decode_node, file_entry, put_directory, put_files, shown
from mulle.types import Digest

MARK = b"MULLETR\x02"
RAW = to_raw(digest_bytes(b"content"))
names = st.binary(min_size=1, max_size=8).filter(lambda name: b"/" not in name and b"\0" not in name)
names = names.filter(lambda name: name not in {b".", b".."})
entries = st.lists(
    st.builds(
        TreeEntry,
        path=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
            lambda name: name not in {".", ".."}
        ),
        digest=st.binary(max_size=4).map(digest_bytes),
        size=st.integers(0, 1 << 60),
        mode=st.sampled_from([0o644, 0o755]),
    ),
    unique_by=lambda entry: entry.path,
)


class Kept(dict[Digest, bytes]):
    """Nodes by digest."""

    def put(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        self[digest] = data
        return digest

    def entries(self, digest: Digest) -> list[Entry]:
        node = decode_node(self[digest])
        return node.entries or [entry for run in node.runs for entry in self.entries(from_raw(run.raw))]


def many(count: int) -> list[Entry]:
    return [file_entry(b"%07d.bin" % number, RAW, number, executable=False) for number in range(count)]


@given(entries)
def test_a_manifest_comes_back(entries: list[TreeEntry]) -> None:
    assert sorted(decode_manifest(encode_manifest(entries)), key=str) == sorted(entries, key=str)


@given(entries, st.randoms())
def test_the_order_does_not_matter(entries: list[TreeEntry], source: random.Random) -> None:
    shuffled = list(entries)
    source.shuffle(shuffled)
    assert digest_tree(shuffled) == digest_tree(entries)


@given(entries, entries)
def test_other_entries_have_another_digest(one: list[TreeEntry], other: list[TreeEntry]) -> None:
    assert (digest_tree(one) == digest_tree(other)) == (sorted(one, key=str) == sorted(other, key=str))


@settings(deadline=None)
@given(st.dictionaries(names, st.integers(0, 1 << 60)))
def test_a_directory_comes_back_from_its_node(sizes: dict[bytes, int]) -> None:
    kept = Kept()
    listed = [file_entry(name, RAW, sizes[name], executable=False) for name in sorted(sizes)]
    made = put_directory(listed, kept.put)
    assert kept.entries(from_raw(made.raw)) == listed
    assert (made.size, made.files) == (sum(sizes.values()), len(sizes))


@pytest.mark.parametrize("count", [512, 513, 20_000, 200_000])
def test_a_large_directory_comes_back(count: int) -> None:
    kept = Kept()
    made = put_directory(many(count), kept.put)
    assert kept.entries(from_raw(made.raw)) == many(count)
    assert made.files == count


def test_one_changed_file_of_100_000_rewrites_less_than_70_kilobytes() -> None:
    kept = Kept()
    listed = many(100_000)
    put_directory(listed, kept.put)
    rewritten = []
    for at in random.Random(1).sample(range(len(listed)), 5):
        again = Kept()
        changed = msgspec.structs.replace(listed[at], size=1)
        put_directory([*listed[:at], changed, *listed[at + 1 :]], again.put)
        rewritten.append(sum(len(data) for digest, data in again.items() if digest not in kept))
    assert sum(rewritten) / len(rewritten) < 70_000


def test_one_new_file_of_100_000_shares_all_other_runs() -> None:
    kept, again = Kept(), Kept()
    listed = many(100_000)
    put_directory(listed, kept.put)
    put_directory([*listed[:5000], file_entry(b"0004999.new", RAW, 1, executable=False), *listed[5000:]], again.put)
    assert len(again.keys() - kept.keys()) <= 4


def test_equal_subdirectories_are_one_node() -> None:
    kept = Kept()
    file = file_entry(b"", RAW, 7, executable=True)
    root = decode_node(kept[from_raw(put_files([(b"a/x", file), (b"b/x", file)], kept.put).raw)])
    assert len(kept) == 2
    assert [(entry.name, entry.size, entry.files) for entry in root.entries] == [(b"a", 7, 1), (b"b", 7, 1)]


def test_children_of_a_node_are_files_and_nodes() -> None:
    kept = Kept()
    file = file_entry(b"", RAW, 7, executable=False)
    made = put_files([(b"a/x", file), (b"y", file)], kept.put)
    assert [(child.size, child.is_node) for child in children(kept[from_raw(made.raw)])] == [(7, True), (7, False)]


def test_children_of_a_former_manifest_are_files() -> None:
    manifest = encode_manifest([TreeEntry("a/b", digest_bytes(b"x"), 1)])
    assert [(child.digest, child.is_node) for child in children(manifest)] == [(digest_bytes(b"x"), False)]


def test_names_that_are_not_utf8_are_kept() -> None:
    kept = Kept()
    made = put_directory([file_entry(b"\xff\xfe", RAW, 1, executable=False)], kept.put)
    assert kept.entries(from_raw(made.raw))[0].name == b"\xff\xfe"
    assert shown(b"a\xff") == "a\\xff"


@pytest.mark.parametrize(
    "path", [b"", b"/", b"/etc/passwd", b"a/../b", b"..", b"a//b", b"./a", b"a/.", b"a\0b"], ids=repr
)
def test_a_path_that_leads_out_is_refused(path: bytes) -> None:
    kept = Kept()
    with pytest.raises(StoreError, match="names"):
        children(kept[from_raw(put_files([(path, file_entry(b"", RAW, 1, executable=False))], kept.put).raw)])


@pytest.mark.parametrize("paths", [[b"a", b"a"], [b"a", b"a/b"], [b"a/b", b"a"]])
def test_a_path_cannot_be_two_things(paths: list[bytes]) -> None:
    with pytest.raises(StoreError, match="once"):
        put_files([(path, file_entry(b"", RAW, 1, executable=False)) for path in paths], Kept().put)


@pytest.mark.parametrize(
    "items",
    [
        [[b"..", 0, RAW, 1, 1]],
        [[b"a/b", 0, RAW, 1, 1]],
        [[b"", 0, RAW, 1, 1]],
        [[b"b", 0, RAW, 1, 1], [b"a", 0, RAW, 1, 1]],
        [[b"a", 0, RAW, 1, 1], [b"a", 0, RAW, 1, 1]],
        [[b"a", 0, b"short", 1, 1]],
        [[b"a", 9, RAW, 1, 1]],
        ["no entry"],
    ],
)
def test_a_forged_node_is_refused(items: list[object]) -> None:
    with pytest.raises(StoreError) as caught:
        decode_node(MARK + msgspec.msgpack.encode([0, items]))
    assert caught.value.cure


def test_a_newer_format_says_so() -> None:
    with pytest.raises(StoreError, match="format 3"):
        decode_node(b"MULLETR\x03" + b"\x92\x00\x90")


@pytest.mark.parametrize("data", [b"", b"text", MARK, MARK + b"\xff"])
def test_what_is_no_node_is_an_error_with_a_cure(data: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        decode_node(data)
    assert caught.value.cure


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"format":1,"kind":"table","entries":[]}', b'{"format":2,"kind":"tree","entries":[]}']
)
def test_what_is_no_manifest_is_an_error_with_a_cure(data: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        decode_manifest(data)
    assert caught.value.cure


def test_the_borders_are_those_of_the_format() -> None:
    """A run begins before each name whose CRC-32 ends in eight zero bits; changing that changes every digest."""
    assert (trees.RUN, trees._BITS) == (512, 8)
