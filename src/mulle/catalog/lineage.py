"""The lineage graph: what came from what. Edges are stored once; what can be recomputed is expanded on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from sqlalchemy import select

from mulle.catalog.tables import edge as edge_table
from mulle.catalog.tables import node as node_table
from mulle.errors import unknown

if TYPE_CHECKING:
    from mulle.catalog.tx import Tx

Direction: TypeAlias = Literal["up", "down"]
_BATCH = 500
_KINDS = {"model": "model_version", "dataset": "dataset_version"}


class Node(msgspec.Struct, frozen=True):
    """A thing in the graph; its name is a unique reference such as `model:delay@3`."""

    kind: str
    name: str
    digest: str = ""


class Edge(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """`source` came from `target`."""

    source: str
    target: str
    role: str


class Graph(msgspec.Struct, frozen=True):
    """All that is reached from a subject, in the order in which it was reached."""

    subject: str
    nodes: list[Node]
    edges: list[Edge]


Expand: TypeAlias = Callable[["Tx", Node], Iterable[tuple[Node, str]]]
"""For a node, its further neighbours in the direction of the walk, each with the role of the edge."""


def kind_of(name: str) -> str:
    """The kind that a node's name tells: `model:x@3` is a model_version, `run:…` a run."""
    prefix, _, rest = name.partition(":")
    return _KINDS.get(prefix, prefix) if "@" in rest else prefix


def walk(tx: Tx, subject: str | Node, direction: Direction, expand: Mapping[str, Expand] | None = None) -> Graph:
    """Everything the subject came from (up), or everything that came from it (down).

    Raises:
        UnknownNameError: the subject is no node, and no expansion knows it either.
    """
    start = (
        subject
        if isinstance(subject, Node)
        else (_nodes(tx, [subject]).get(subject) or Node(kind_of(subject), subject))
    )
    reached: dict[str, Node] = {start.name: start}
    edges: dict[tuple[str, str, str], Edge] = {}
    level = [start]
    while level:
        following: list[Node] = []
        for node, neighbour, role in _neighbours(tx, level, direction, expand or {}):
            pair = (node.name, neighbour.name) if direction == "up" else (neighbour.name, node.name)
            edges.setdefault((*pair, role), Edge(*pair, role))
            if neighbour.name not in reached:
                reached[neighbour.name] = neighbour
                following.append(neighbour)
        level = following
    if isinstance(subject, str) and len(reached) == 1 and not _nodes(tx, [subject]):
        raise unknown("subject", subject, _near(tx, subject), cure=f"mulle audit log --subject '{subject}'")
    unread = _nodes(tx, [node.name for node in reached.values() if not node.digest])  # those that expansions named
    return Graph(start.name, [unread.get(name, node) for name, node in reached.items()], list(edges.values()))


def _neighbours(
    tx: Tx, level: Sequence[Node], direction: Direction, expand: Mapping[str, Expand]
) -> list[tuple[Node, Node, str]]:
    here, there = ("source", "target") if direction == "up" else ("target", "source")
    by_name = {node.name: node for node in level}
    pairs: list[tuple[str, str, str]] = []
    for names in _batches(list(by_name)):
        statement = select(edge_table.c[here], edge_table.c[there], edge_table.c.role)
        statement = statement.where(edge_table.c[here].in_(names)).order_by(edge_table.c[there], edge_table.c.role)
        pairs += [tuple(row) for row in tx.all(statement)]
    known = _nodes(tx, list(dict.fromkeys(name for _, name, _ in pairs)))
    found = [(by_name[at], known.get(to) or Node(kind_of(to), to), role) for at, to, role in pairs]
    for node in level:
        if node.kind in expand:
            found += [(node, neighbour, role) for neighbour, role in expand[node.kind](tx, node)]
    return found


def _nodes(tx: Tx, names: Sequence[str]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for some in _batches(names):
        for row in tx.all(select(node_table).where(node_table.c.name.in_(some))):
            found[row.name] = Node(row.kind, row.name, row.digest)
    return found


def _near(tx: Tx, subject: str) -> list[str]:
    prefix = subject.partition(":")[0] + ":"
    statement = select(node_table.c.name).where(node_table.c.name.startswith(prefix, autoescape=True))
    return [row.name for row in tx.all(statement.order_by(node_table.c.name.desc()).limit(_BATCH))]


def _batches(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
