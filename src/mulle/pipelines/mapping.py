"""From mapped steps in a trace to a step for each item: what there is to map over is known when the run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mulle.data.partitions import Partition, Partitions
from mulle.pipelines.graph import Graph, Node, index_of, node_of
from mulle.pipelines.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Iterable

Split = Callable[[Partitions], Sequence[Partition]]


def expanded(graph: Graph, split: Split) -> Graph:
    """The graph with each mapped node as nodes for its items, named by them: `measure[carrier=AA]`.

    A promise of a mapped node's list becomes a list of promises. The nodes of the given graph are changed.
    """
    if not any(node.kind == "map" for node in graph.nodes):
        return graph
    made: dict[Node, list[Node]] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        node.arguments = {name: _replaced(value, made) for name, value in node.arguments.items()}
        node.after = [each for before in node.after for each in made.get(before, [before])]
        if node.kind == "map":
            made[node] = _for_each(node, split)
        nodes += made.get(node, [node])
    return replace(graph, nodes=nodes, returned=_replaced(graph.returned, made))


def _for_each(node: Node, split: Split) -> list[Node]:
    over, *_ = node.arguments
    items = node.arguments[over]
    found: Iterable[tuple[str, Any]]
    if isinstance(items, Partitions):
        found = [(each.key, each) for each in split(items)]
    else:
        found = [(str(place), item) for place, item in enumerate(items)]
    return [
        Node(f"{node.name}[{key}]", "step", {**node.arguments, over: item}, node.step, node.outputs, [*node.after])
        for key, item in found
    ]


def _replaced(value: Any, made: Mapping[Node, Sequence[Node]]) -> Any:
    if isinstance(value, Promise):
        if node_of(value) not in made:
            return value
        index = None if value._index is None else index_of(value)  # noqa: SLF001 - a promise shows nothing to user code
        return [Promise(each, index, None) for each in made[node_of(value)]]
    if type(value) in {list, tuple}:
        return type(value)(_replaced(item, made) for item in value)
    if type(value) is dict:
        return {key: _replaced(item, made) for key, item in value.items()}
    return value
