"""What is ready, as what it waits for comes to its end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mulle.pipelines.frontier import Frontier


def taken(frontier: Frontier) -> list[str]:
    found = []
    while (name := frontier.take()) is not None:
        found.append(name)
    return found


def test_what_waits_for_nothing_is_ready_in_the_order_of_its_place() -> None:
    frontier = Frontier()
    frontier.add("b", (1, ""), [])
    frontier.add("a", (0, ""), [])
    assert taken(frontier) == ["a", "b"]


def test_a_node_is_ready_when_all_that_it_waits_for_is_over() -> None:
    frontier = Frontier()
    for place, (name, before) in enumerate({"a": [], "b": [], "c": ["a", "b", "a"]}.items()):
        frontier.add(name, (place, ""), before)
    taken(frontier)
    frontier.over("a")
    assert not frontier
    frontier.over("b")
    assert taken(frontier) == ["c"]


def test_a_node_may_come_to_wait_for_more() -> None:
    frontier = Frontier()
    frontier.add("a", (0, ""), [])
    frontier.add("c", (1, ""), ["a"])
    taken(frontier)
    frontier.add("b", (2, ""), [])
    frontier.wait("c", ["b"])
    frontier.over("a")
    assert taken(frontier) == ["b"]
    frontier.over("b")
    assert taken(frontier) == ["c"]


@given(st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=30))
def test_every_node_is_handed_out_once_and_after_what_it_waits_for(before: list[set[int]]) -> None:
    frontier, order = Frontier(), list[str]()
    waits = [[f"n{each}" for each in some if each < place] for place, some in enumerate(before)]
    for place, some in enumerate(waits):
        frontier.add(f"n{place}", (place, ""), some)
    while (name := frontier.take()) is not None:
        order.append(name)
        frontier.over(name)
    assert sorted(order) == sorted(f"n{place}" for place in range(len(before)))
    assert all(order.index(each) < order.index(f"n{place}") for place, some in enumerate(waits) for each in some)
