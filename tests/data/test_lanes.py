from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from tests.data.made import a_version
from tests.data.test_ancestry import graphs

from mulle.data.lanes import drawn, lanes


def history(graph: Any) -> Any:
    return [
        a_version(number, parent=graph[number][0], merged=graph[number][1]) for number in sorted(graph, reverse=True)
    ]


def text(graph: Any) -> list[str]:
    return [line + (f" {version.number}" if version else "") for line, version in drawn(history(graph))]


def test_one_line_is_one_line() -> None:
    assert text({1: (None, None), 2: (1, None), 3: (2, None)}) == ["* 3", "* 2", "* 1"]


def test_a_branch_parts_from_its_line() -> None:
    assert text({1: (None, None), 2: (1, None), 3: (1, None)}) == ["* 3", "│ * 2", "├─╯", "* 1"]


def test_a_merge_joins_two_lines() -> None:
    graph = {1: (None, None), 2: (1, None), 3: (1, None), 4: (2, 3)}
    assert text(graph) == ["*─╮ 4", "│ * 3", "* │ 2", "├─╯", "* 1"]


def test_a_second_merge_of_a_line_that_goes_on() -> None:
    graph = {1: (None, None), 2: (1, None), 3: (1, 2), 4: (2, None), 5: (3, 4)}
    assert text(graph) == ["*─╮ 5", "│ * 4", "*─┤ 3", "│ * 2", "├─╯", "* 1"]


def test_lines_that_cross() -> None:
    graph = {1: (None, None), 2: (1, None), 3: (1, None), 4: (1, None), 5: (2, 4)}
    assert text(graph) == ["*─╮ 5", "│ * 4", "│ │ * 3", "* │ │ 2", "├─┴─╯", "* 1"]


@given(graphs())
def test_each_version_has_one_place(graph: Any) -> None:
    versions = history(graph)
    found = lanes(versions)
    assert all(before.below == after.above for before, after in itertools.pairwise(found))
    assert [version.number for _, version in drawn(versions) if version] == [version.number for version in versions]
    assert [lane for lane in found if lane.at in (lane.opening, *lane.closing)] == []
