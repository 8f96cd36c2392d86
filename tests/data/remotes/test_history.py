from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.data.commits import Commit, commit_id
from mulle.data.remotes.history import ordered, parents_first, reached
from mulle.data.remotes.state import require_sound
from mulle.errors import StoreError
from mulle.hashing import digest_bytes

AT = datetime(2026, 1, 1, tzinfo=UTC)


def commit(number: int, *parents: Commit) -> Commit:
    content, ids = digest_bytes(b"%d" % number), [parent.id for parent in parents]
    return Commit(
        id=commit_id(content, ids, "", AT, "ann"),
        manifest=content,
        parents=ids,
        message="",
        at=AT,
        actor="ann",
        branch="main",
        number=number,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Commit]:
    found: list[Commit] = []
    for number in range(draw(st.integers(1, 12))):
        parents = draw(st.lists(st.sampled_from(found), max_size=2, unique_by=lambda each: each.id)) if found else []
        found.append(commit(number, *parents))
    return found


@given(histories(), st.randoms(use_true_random=False))
def test_parents_come_first_whatever_the_order(commits: list[Commit], chance: random.Random) -> None:
    shuffled = commits[:]
    chance.shuffle(shuffled)
    places = {each.id: place for place, each in enumerate(parents_first(shuffled))}
    assert len(places) == len(commits)
    assert all(places[parent] < places[each.id] for each in commits for parent in each.parents)


def test_a_long_line_is_no_deep_recursion() -> None:
    line = [commit(0)]
    for number in range(1, 3000):
        line.append(commit(number, line[-1]))
    assert parents_first(line[::-1]) == line


def test_a_parent_that_is_not_among_them_is_no_obstacle() -> None:
    assert ordered({2: (1, None)}, {2}) == [2]


def test_what_no_head_came_from_is_left_out() -> None:
    first = commit(1)
    second, stray = commit(2, first), commit(3, first)
    assert {each.number for each in reached([first, second, stray], [second.id])} == {1, 2}


def test_a_record_that_was_changed_is_refused() -> None:
    forged = Commit(**{**{name: getattr(commit(1), name) for name in Commit.__struct_fields__}, "message": "forged"})
    with pytest.raises(StoreError, match="cannot be read"):
        require_sound(forged, forged.id, "there")
