"""`mulle why` and `mulle impact`."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.state import State, json_option, pass_state

_HELP = """
    SUBJECT is prediction:ID, deployment:NAME, revision:DEPLOYMENT/N, model:NAME@VERSION, run:ID, step_run:ID,
    dataset:NAME@VERSION or object:b3:DIGEST. With --json: {"subject", "nodes": [{"kind", "name", "digest"}], "edges":
    [{"from", "to", "role"}]}.
"""
_MOST_ALIKE = 5


@click.command(
    cls=Command,
    verbs=("lineage.why",),
    examples=("mulle why prediction:0193…", "mulle why model:delay@champion --json"),
)
@click.argument("subject")
@json_option
@pass_state
def why(state: State, subject: str, as_json: bool) -> None:
    """What a prediction, model or run was made from, down to the raw rows."""
    output.emit(state.ws.lineage.why(subject), as_json=as_json, show=lambda graph: _tree(graph, up=True))


@click.command(
    cls=Command, verbs=("lineage.impact",), examples=("mulle impact dataset:flights@3", "mulle impact run:0193… --json")
)
@click.argument("subject")
@json_option
@pass_state
def impact(state: State, subject: str, as_json: bool) -> None:
    """What a dataset version, run or model went into, up to what serves it now."""
    output.emit(state.ws.lineage.impact(subject), as_json=as_json, show=lambda graph: _tree(graph, up=False))


why.help = f"{why.help}\n{_HELP}"
impact.help = f"{impact.help}\n{_HELP}"


def _tree(graph: Any, *, up: bool) -> None:
    """The graph as an indented tree; a node that was shown already is named again without its branch."""
    below: dict[str, list[tuple[str, str]]] = {}
    for edge in graph.edges:
        here, there = (edge.source, edge.target) if up else (edge.target, edge.source)
        below.setdefault(here, []).append((edge.role, there))
    seen: set[str] = set()
    pending = [(0, "", graph.subject)]
    while pending:
        depth, role, name = pending.pop()
        again = name in seen and bool(below.get(name))
        output.say(f"{'  ' * depth}{f'{role} ' if role else ''}{_readable(name)}{' (above)' if again else ''}")
        if name in seen:
            continue
        seen.add(name)
        pending.extend((depth + 1, role, there) for role, there in reversed(_folded(below.get(name, []))))


def _folded(branches: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Many objects of one version are told by the first few and a count."""
    objects = [branch for branch in branches if branch[1].startswith("object:")]
    if len(objects) <= _MOST_ALIKE:
        return branches
    others = [branch for branch in branches if branch not in set(objects)]
    return [*others, *objects[:_MOST_ALIKE], ("…", f"and {len(objects) - _MOST_ALIKE} objects more (see --json)")]


def _readable(name: str) -> str:
    kind, _, rest = name.partition(":")
    return f"{kind}:{output.short(rest)}" if kind == "object" else name
