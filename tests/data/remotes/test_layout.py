from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mulle.data.remotes import layout
from mulle.types import Digest

ID = Digest("b3:" + "0a" * 32)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(NAMES)
def test_every_name_comes_back_from_its_key(name: str) -> None:
    assert layout.unescaped(layout.escaped(name)) == name


@given(NAMES)
def test_a_key_has_only_characters_that_every_store_takes(name: str) -> None:
    assert set(layout.escaped(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=")


@given(NAMES, NAMES)
def test_different_names_have_different_keys(one: str, two: str) -> None:
    assert (layout.escaped(one) == layout.escaped(two)) == (one == two)


def test_keys_tell_what_is_there() -> None:
    keys = [
        layout.commit_key("a/b", ID),
        layout.branch_key("a/b", "main", 1),
        layout.branch_key("a/b", "main", 12),
        layout.branch_key("a/b", "try/it", 3),
        layout.tag_key("a/b", "v1.0"),
        f"{layout.folder('a/b')}/notes.txt",
    ]
    found = layout.read("a/b", keys)
    assert (found.commits, found.branches, found.tags) == ({ID}, {"main": 12, "try/it": 3}, {"v1.0"})
