"""The graph of a dataset's versions by their parents. Pure: a graph is a mapping of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

Graph: TypeAlias = Mapping[int, tuple[int | None, int | None]]
"""By number, the parent whose line a version continues and the one that was merged into it."""


def line(graph: Graph, number: int) -> Iterator[int]:
    """A version and its first parents, back to the beginning."""
    at: int | None = number
    while at is not None:
        yield at
        at = graph.get(at, (None, None))[0]


def ancestors(graph: Graph, number: int) -> set[int]:
    """A version and all that it came from."""
    found: set[int] = set()
    waiting = [number]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += [parent for parent in graph.get(at, (None, None)) if parent is not None]
    return found


def common_ancestor(graph: Graph, a: int, b: int) -> int | None:
    """The newest version that both came from, of those from which no other such version came; None where there is none.

    Two lines that were merged crosswise have several; the one with the highest number is taken.
    """
    both = ancestors(graph, a) & ancestors(graph, b)
    older = {parent for number in both for parent in graph.get(number, (None, None)) if parent is not None}
    return max(both - older, default=None)
