"""Which revisions of a history become versions."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mulle.data.doors.git import Revision
from mulle.data.doors.history import lines

AT = datetime(2020, 1, 1, tzinfo=UTC)


def revision(name: str, *parents: str) -> Revision:
    return Revision(name, parents, "", AT, "", "")


def changes(history: list[Revision], content: dict[str, int | None]) -> dict[str, tuple[str, ...]]:
    found = lines(history, lambda each: content[each.id])
    return {change.revision.id: change.parents for change in found.changes}


def test_a_revision_that_changes_nothing_makes_no_version() -> None:
    history = [revision("a"), revision("b", "a"), revision("c", "b")]
    assert changes(history, {"a": 1, "b": 1, "c": 2}) == {"a": (), "c": ("a",)}


def test_a_merge_that_takes_one_side_makes_no_version() -> None:
    history = [revision("a"), revision("b", "a"), revision("c", "a"), revision("m", "b", "c")]
    assert changes(history, {"a": 1, "b": 1, "c": 2, "m": 2}) == {"a": (), "c": ("a",)}


def test_a_merge_of_its_own_content_has_two_parents() -> None:
    history = [revision("a"), revision("b", "a"), revision("c", "a"), revision("m", "b", "c")]
    assert changes(history, {"a": 1, "b": 2, "c": 3, "m": 4})["m"] == ("b", "c")


def test_what_comes_again_unchanged_after_it_was_gone_is_the_same_version() -> None:
    history = [revision("a"), revision("b", "a"), revision("c", "b"), revision("d", "c")]
    assert changes(history, {"a": 1, "b": None, "c": 1, "d": 2}) == {"a": (), "d": ("a",)}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Revision], dict[str, int | None]]:
    history: list[Revision] = []
    for number in range(draw(st.integers(1, 12))):
        names = [each.id for each in history]
        parents = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
        history.append(revision(str(number), *parents))
    contents = st.one_of(st.none(), st.integers(0, 3))
    return history, {each.id: draw(contents) for each in history}


@given(histories())
def test_each_revision_stands_at_a_version_of_its_content(
    drawn: tuple[list[Revision], dict[str, int | None]],
) -> None:
    history, content = drawn
    found = lines(history, lambda each: content[each.id])
    for each in history:
        if content[each.id] is not None:
            assert content[found.stands_at[each.id]] == content[each.id]
    for change in found.changes:
        assert all(content[parent] != content[change.revision.id] for parent in change.parents)
