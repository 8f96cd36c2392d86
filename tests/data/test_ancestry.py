from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.data.ancestry import ancestors, common_ancestor, line

#   1 ── 2 ── 4 ── 6 (merge of 5)
#        └─── 3 ── 5
GRAPH = {1: (None, None), 2: (1, None), 3: (2, None), 4: (2, None), 5: (3, None), 6: (4, 5)}


def test_a_line_follows_first_parents() -> None:
    assert list(line(GRAPH, 6)) == [6, 4, 2, 1]


def test_ancestors_follow_both_parents() -> None:
    assert ancestors(GRAPH, 6) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(("a", "b", "common"), [(4, 5, 2), (6, 5, 5), (1, 6, 1), (3, 3, 3)])
def test_the_newest_that_both_came_from(a: int, b: int, common: int) -> None:
    assert common_ancestor(GRAPH, a, b) == common


def test_two_beginnings_have_nothing_in_common() -> None:
    assert common_ancestor({1: (None, None), 2: (None, None)}, 1, 2) is None


def test_a_parent_that_is_unknown_ends_a_line() -> None:
    assert list(line({5: (4, None)}, 5)) == [5, 4]


@st.composite
def graphs(draw: Any) -> Any:
    graph: dict[int, tuple[int | None, int | None]] = {1: (None, None)}
    for number in range(2, draw(st.integers(2, 20))):
        before = st.integers(1, number - 1)
        graph[number] = (draw(st.none() | before), draw(st.none() | before))
    return graph


@given(graphs(), st.data())
def test_a_common_ancestor_is_common_and_no_other_came_from_it(graph: Any, data: Any) -> None:
    a, b = (data.draw(st.sampled_from(sorted(graph))) for _ in range(2))
    both = ancestors(graph, a) & ancestors(graph, b)
    found = common_ancestor(graph, a, b)
    if found is None:
        assert not both
    else:
        assert found in both
        assert not [each for each in both - {found} if found in ancestors(graph, each)]
