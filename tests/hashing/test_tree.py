import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.hashing import TreeEntry, decode_manifest, digest_bytes, digest_tree, encode_manifest

entries = st.lists(
    st.builds(
        TreeEntry,
        path=st.text(st.characters(codec="utf-8"), min_size=1),
        digest=st.binary(max_size=4).map(digest_bytes),
        size=st.integers(0, 1 << 60),
        mode=st.sampled_from([0o644, 0o755]),
    ),
    unique_by=lambda entry: entry.path,
)


@given(entries)
def test_a_manifest_comes_back(entries: list[TreeEntry]) -> None:
    assert sorted(decode_manifest(encode_manifest(entries)), key=str) == sorted(entries, key=str)


@given(entries, st.randoms())
def test_the_order_does_not_matter(entries: list[TreeEntry], source: object) -> None:
    shuffled = list(entries)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest_tree(shuffled) == digest_tree(entries)


@given(entries, entries)
def test_other_entries_have_another_digest(one: list[TreeEntry], other: list[TreeEntry]) -> None:
    assert (digest_tree(one) == digest_tree(other)) == (sorted(one, key=str) == sorted(other, key=str))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"format":1,"kind":"table","entries":[]}', b'{"format":2,"kind":"tree","entries":[]}']
)
def test_what_is_no_manifest_is_an_error_with_a_cure(data: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        decode_manifest(data)
    assert caught.value.cure
