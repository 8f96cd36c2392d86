"""From nodes that go over a list to a node for each item, when the list is known: at once, or during a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mulle.data.partitions import Partition, Partitions
from mulle.errors import PipelineError
from mulle.pipelines.graph import Graph, Guard, Node
from mulle.pipelines.promise import Promise, is_tuple, node_of, place_of

Split = Callable[[Partitions], Sequence[Partition]]


class Unfolded(NamedTuple):
    """What a node became: the nodes in its place, and what each promise of it stands for (by which output it is of)."""

    nodes: list[Node]
    value: Callable[[int | None], Any]


def expanded(graph: Graph, split: Split) -> Graph:
    """The graph with each node that goes over what is known now as nodes for its items.

    They are named by them: `measure[carrier=AA]`. A promise of a mapped node's list becomes a list of promises. The
    nodes of the given graph are changed.
    """
    if not any(node.kind in {"map", "reduce"} for node in graph.nodes):
        return graph
    made: dict[Node, Unfolded] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        rewrite(node, made)
        items = over(node) if node.kind in {"map", "reduce"} else None
        if isinstance(items, Partitions):
            made[node] = unfolded(node, [(each.key, each) for each in split(items)])
        elif items is not None and (type(items) is list or is_tuple(items)):
            made[node] = unfolded(node, numbered(items))
        nodes += made[node].nodes if node in made else [node]
    return replace(graph, nodes=nodes, returned=replaced(graph.returned, made))


def over(node: Node) -> Any:
    """What a node of the kind "map" or "reduce" goes over."""
    return next(iter(node.arguments.values()))


def numbered(items: Sequence[Any]) -> list[tuple[str, Any]]:
    """The items, each with what tells it from the others: its place, or the key of the mapped node that it is from."""
    keys = [_key(item) for item in items]
    if not all(keys) or len(set(keys)) < len(keys):
        keys = [str(place) for place in range(len(items))]
    return list(zip(keys, items, strict=True))


def _key(item: Any) -> str:
    name = node_of(item).name if isinstance(item, Promise) else ""
    return name.partition("[")[2].removesuffix("]") if name.endswith("]") else ""


def unfolded(node: Node, items: Sequence[tuple[str, Any]]) -> Unfolded:
    """The nodes for the items of a node that goes over them.

    Raises:
        PipelineError: there is nothing to combine into one.
    """
    if node.kind == "reduce":
        return _combined(node, [item for _, item in items])
    first = next(iter(node.arguments))
    nodes = [_call(node, f"{node.name}[{key}]", {first: item}) for key, item in items]
    return Unfolded(nodes, lambda place: [Promise(each, place, None) for each in nodes])


def _combined(node: Node, items: list[Any]) -> Unfolded:
    """A balanced tree over the items in their order: one that changes is combined anew with few others."""
    if not items:
        raise PipelineError(
            f"'{node.name}' has nothing to combine", cause="the list is empty", cure="reduce a list of one item or more"
        )
    first, second, *_ = node.arguments
    nodes: list[Node] = []
    level = 0
    while len(items) > 1:
        combined: list[Any] = []
        for place in range(0, len(items) - 1, 2):
            given = {first: items[place], second: items[place + 1]}
            nodes.append(_call(node, f"{node.name}[{level}.{place // 2}]", given))
            combined.append(Promise(nodes[-1], None, None))
        items = combined + items[len(items) // 2 * 2 :]
        level += 1
    return Unfolded(nodes, lambda _: items[0])


def _call(node: Node, name: str, given: Mapping[str, Any]) -> Node:
    made = Node(name, "step", {**node.arguments, **given}, node.step, node.outputs, [*node.after])
    made.guards = node.guards
    return made


def rewrite(node: Node, made: Mapping[Node, Unfolded]) -> None:
    """Put into a node, for promises of nodes that were unfolded, what they stand for."""
    node.arguments = {name: replaced(value, made) for name, value in node.arguments.items()}
    node.after = [each for before in node.after for each in (made[before].nodes if before in made else [before])]
    node.guards = _guards(node.guards, made)
    node.choices = {name: _guards(guards, made) for name, guards in node.choices.items()}


def _guards(guards: list[Guard], made: Mapping[Node, Unfolded]) -> list[Guard]:
    conditions = [replaced(guard.condition, made) for guard in guards]
    if all(new is guard.condition for new, guard in zip(conditions, guards, strict=True)):
        return guards  # one list for all nodes of a branch
    return [Guard(new, guard.wanted) for new, guard in zip(conditions, guards, strict=True)]


def replaced(value: Any, made: Mapping[Node, Unfolded]) -> Any:
    """The value with what promises of nodes that were unfolded stand for."""
    if isinstance(value, Promise):
        found = made.get(node_of(value))
        return value if found is None else replaced(found.value(place_of(value)), made)
    if type(value) is list:
        return [replaced(item, made) for item in value]
    if is_tuple(value):
        items = [replaced(item, made) for item in value]
        return tuple(items) if type(value) is tuple else type(value)._make(items)
    if type(value) is dict:
        return {key: replaced(item, made) for key, item in value.items()}
    return value
