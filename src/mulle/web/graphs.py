"""Graphs as the pages draw them: what something came from stands on the left, what came of it on the right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from mulle.pipelines.model import GraphEdge, GraphNode
from mulle.web.formatting import seconds, tone
from mulle.web.links import page_of

if TYPE_CHECKING:
    from mulle.catalog.lineage import Graph, Node
    from mulle.pipelines.model import RunGraph
    from mulle.web.language import Words

FEW = 4
MANY = 12
_URGENT = ("failed", "cancelled", "running", "pending", "executed", "cached", "skipped")
BY_RUN = frozenset({"executed", "reused"})
LOWEST, HIGHEST, ROW, MARGIN = 96, 520, 52, 44


class Box(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node: its label, a small note above it, and its page."""

    id: str
    kind: str
    label: str
    note: str = ""
    title: str = ""
    href: str = ""
    subject: bool = False
    state: str = ""


class Arrow(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """An edge in the direction in which things flow."""

    source: str
    target: str
    role: str = ""


class Drawing(msgspec.Struct, frozen=True):
    """A whole graph; `roles` says whether the edges are labelled."""

    nodes: list[Box]
    edges: list[Arrow]
    height: int = LOWEST
    roles: bool = True


def lineage(words: Words, titles: Mapping[str, str], *graphs: Graph) -> Drawing:
    """One or more walks from the same subject in one drawing.

    Many objects of one version become one box. Of the steps that a run executed only the last ones lead to the run: the
    others lead to them. `titles` has labels for nodes whose names say little, such as step runs.
    """
    subject = graphs[0].subject
    nodes = {node.name: node for graph in graphs for node in graph.nodes}
    edges = {(edge.target, edge.source): edge.role for graph in graphs for edge in graph.edges}
    passed_on = {start for (start, _), role in edges.items() if role == "input"}
    edges = {pair: role for pair, role in edges.items() if role not in BY_RUN or pair[0] not in passed_on}
    folded = _fold(nodes.values(), edges)
    boxes = {
        name: _box(words, node, titles.get(node.name, ""), subject)
        for name, node in nodes.items()
        if name not in folded
    }
    for group, count in _counted(folded.values()):
        boxes[group] = Box(group, "object", words("graph.objects", n=count), words.maybe("kind", "object"))
    arrows = {(folded.get(start, start), folded.get(end, end)): role for (start, end), role in edges.items()}
    return _drawing(
        list(boxes.values()), [Arrow(start, end, words.maybe("role", role)) for (start, end), role in arrows.items()]
    )


def steps(words: Words, graph: RunGraph) -> Drawing:
    """The steps of a run, each with how it went."""
    nodes, edges, notes = _gathered(words, graph)
    boxes = [
        Box(
            id=node.name,
            kind="step",
            label=node.name,
            note=notes.get(node.name) or _step_note(words, node),
            title=f"{node.name}: {node.status}",
            href=f"#step-{node.step_run}" if node.step_run else "",
            state=tone(node.status) or node.status,
        )
        for node in nodes
    ]
    return _drawing(boxes, [Arrow(edge.source, edge.target, edge.label) for edge in edges])


def _drawing(boxes: list[Box], arrows: list[Arrow]) -> Drawing:
    """A drawing with the height that it will need, so that nothing on the page moves when the browser has drawn it."""
    widest = max(Counter(_ranks(boxes, arrows).values()).values(), default=1)
    return Drawing(boxes, arrows, min(HIGHEST, max(LOWEST, widest * ROW + MARGIN)))


def _ranks(boxes: list[Box], arrows: list[Arrow]) -> dict[str, int]:
    """How many arrows lead to each box on the longest way; those on a circle stay at the beginning."""
    ranks = dict.fromkeys((box.id for box in boxes), 0)
    after: dict[str, list[str]] = defaultdict(list)
    missing = Counter(arrow.target for arrow in arrows)
    for arrow in arrows:
        after[arrow.source].append(arrow.target)
    ready = [name for name in ranks if not missing[name]]
    while ready:
        name = ready.pop()
        for target in after[name]:
            ranks[target] = max(ranks[target], ranks[name] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return ranks


def _gathered(words: Words, graph: RunGraph) -> tuple[list[GraphNode], list[GraphEdge], dict[str, str]]:
    """The graph with the many calls of one mapped step as one node, and the notes of such nodes."""
    counts = Counter(_call(node.name) for node in graph.nodes)
    name_of = {node.name: _call(node.name) if counts[_call(node.name)] > MANY else node.name for node in graph.nodes}
    notes = {name: words("graph.steps", n=counts[name]) for name in name_of.values() if counts[name] > MANY}
    nodes: dict[str, GraphNode] = {}
    for node in graph.nodes:
        name = name_of[node.name]
        known = nodes.get(name)
        if known is None or _URGENT.index(node.status) < _URGENT.index(known.status):
            nodes[name] = GraphNode(name, node.kind, node.status, node.seconds, node.step_run)
    edges = {GraphEdge(name_of[one.source], name_of[one.target], one.label): None for one in graph.edges}
    return list(nodes.values()), [edge for edge in edges if edge.source != edge.target], notes


def _call(name: str) -> str:
    """What the calls of one mapped step have in common: `measure[…]` of `measure[AA]`."""
    call, bracket, _ = name.partition("[")
    return f"{call}[…]" if bracket else name


def _step_note(words: Words, node: GraphNode) -> str:
    status = words.maybe("status", node.status)
    return f"{status} · {seconds(node.seconds)}" if node.status == "executed" else status


def _box(words: Words, node: Node, label: str, subject: str) -> Box:
    label = label or node.name.partition(":")[2] or node.name
    if len(label) > 36:  # noqa: PLR2004 - a digest, or a revision of a long name
        label = label[3:15] if label.startswith("b3:") else label[:34] + "…"
    elif len(label) == 36 and label.count("-") == 4:  # noqa: PLR2004 - a UUID
        label = f"{label[:8]}…{label[-5:]}"
    return Box(
        id=node.name,
        kind=node.kind,
        label=label,
        note=words.maybe("kind", node.kind),
        title=node.name + (f"\n{node.digest}" if node.digest else ""),
        href=page_of(node.name) or "",
        subject=node.name == subject,
    )


def _fold(nodes: Iterable[Node], edges: dict[tuple[str, str], str]) -> dict[str, str]:
    """Objects by the box that stands for them: those of a dataset version, when they are many."""
    parents: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        parents[start].append(end)
    objects = {node.name for node in nodes if node.kind == "object"}
    folded: dict[str, str] = {}
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(objects):
        groups[tuple(sorted(parents[name]))].append(name)
    for owners, members in groups.items():
        if len(members) > FEW:
            folded.update(dict.fromkeys(members, f"objects of {', '.join(owners)}"))
    return folded


def _counted(groups: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[group] += 1
    return list(counts.items())
