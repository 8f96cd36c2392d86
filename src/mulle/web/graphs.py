"""Graphs as the pages draw them: what something came from stands on the left, what came of it on the right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.web.formatting import seconds, tone
from mulle.web.links import page_of

if TYPE_CHECKING:
    from mulle.catalog.lineage import Graph, Node
    from mulle.pipelines.model import GraphNode, RunGraph
    from mulle.web.language import Words

FEW = 4


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
    direction: str = "LR"
    roles: bool = True


def lineage(words: Words, *graphs: Graph) -> Drawing:
    """One or more walks from the same subject in one drawing; where there are many objects of one version they become one box."""
    subject = graphs[0].subject
    nodes = {node.name: node for graph in graphs for node in graph.nodes}
    edges = {(edge.target, edge.source): edge.role for graph in graphs for edge in graph.edges}
    folded = _fold(nodes.values(), edges)
    boxes = {name: _box(words, node, subject) for name, node in nodes.items() if name not in folded}
    for group, count in _counted(folded.values()):
        boxes[group] = Box(group, "object", words("graph.objects", n=count), words.maybe("kind", "object"))
    arrows = {(folded.get(start, start), folded.get(end, end)): role for (start, end), role in edges.items()}
    return Drawing(
        list(boxes.values()), [Arrow(start, end, words.maybe("role", role)) for (start, end), role in arrows.items()]
    )


def steps(words: Words, graph: RunGraph) -> Drawing:
    """The steps of a run, each with how it went."""
    boxes = [
        Box(
            id=node.name,
            kind="step",
            label=node.name,
            note=_step_note(words, node),
            title=f"{node.name}: {node.status}",
            href=f"#step-{node.step_run}" if node.step_run else "",
            state=tone(node.status) or node.status,
        )
        for node in graph.nodes
    ]
    return Drawing(boxes, [Arrow(edge.source, edge.target, edge.label) for edge in graph.edges], roles=True)


def _step_note(words: Words, node: GraphNode) -> str:
    status = words.maybe("status", node.status)
    return f"{status} · {seconds(node.seconds)}" if node.status == "executed" else status


def _box(words: Words, node: Node, subject: str) -> Box:
    label = node.name.partition(":")[2] or node.name
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
