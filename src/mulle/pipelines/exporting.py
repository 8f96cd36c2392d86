"""A pipeline as other workflow engines may run it: what each of its steps needs, without how any engine says it.

Each exporter is an entry point of the group `mulle.exports`: a function of a `Blueprint` and a `Target` that gives an
`Exported`. Every node of what it writes calls `mulle step`, so that memo, digests and lineage are those of `mulle run`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mulle.data.partitions import Partitions
from mulle.errors import PipelineError, unknown
from mulle.pipelines import graph as graphs
from mulle.pipelines.describing import plain
from mulle.pipelines.mapping import numbered, over, unfolded
from mulle.pipelines.model import NodeKind, Options
from mulle.pipelines.promise import Promise, node_of

if TYPE_CHECKING:
    from mulle.pipelines.definition import Pipeline

GROUP = "mulle.exports"
Kind = Literal["text", "integer", "number", "boolean", "list", "object"]
_KINDS: dict[type, Kind] = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object"}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of the pipeline that can be given when what was exported is run; `default` is a plain value."""

    name: str
    kind: Kind
    default: Any


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the exported pipeline.

    `mapped`: it stands for a step for each item of what is known only during the run: the partitions of a dataset, or a
    list that another step gives. `conditional`: a step before it may decide that it does not run, and `mulle step` says
    so. What a reduction combines is one task.
    """

    name: str
    kind: NodeKind
    after: list[str]
    options: Options
    mapped: bool = False
    conditional: bool = False


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline without its code: its parameters and its nodes, in an order that they can run in."""

    pipeline: str
    doc: str
    parameters: list[Parameter]
    tasks: list[Task]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where the steps will run: the project's folder there, the command that is mulle there, and a container image."""

    directory: str = ""
    command: str = "mulle"
    image: str = ""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline in another engine's language, and what of it that language could not say."""

    pipeline: str
    to: str
    text: str
    notes: list[str] = []


Exporter: TypeAlias = Callable[[Blueprint, Target], Exported]


def targets() -> list[str]:
    """The engines that pipelines can be exported to."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def exporter(name: str) -> Exporter:
    """What writes for an engine.

    Raises:
        UnknownNameError: nothing does.
    """
    for entry in entry_points(group=GROUP, name=name):
        found: Exporter = entry.load()
        return found
    raise unknown("engine to export to", name, targets(), cure=f"use one of: {', '.join(targets())}")


def blueprint(pipeline: Pipeline[..., Any], params: Mapping[str, Any]) -> Blueprint:
    """The pipeline with these parameters as defaults. A step that is mapped over a known list is a task for each item.

    Raises:
        PipelineError: it cannot be traced, or a parameter's default is no plain value.
    """
    graph = graphs.trace(pipeline, params)
    made: dict[graphs.Node, list[Task]] = {}
    for node in graph.nodes:
        before = [task for each in _before(node) for task in made[each]]
        after = list(dict.fromkeys(task.name for task in before))
        conditional = bool(node.guards) or any(task.conditional for task in before)
        made[node] = before if node.kind == "when" else list(_tasks(node, after, conditional=conditional))
    tasks = {task.name: task for found in made.values() for task in found}
    return Blueprint(
        pipeline=pipeline.name,
        doc=inspect.getdoc(pipeline.function) or "",
        parameters=[_parameter(pipeline.name, name, value) for name, value in plain(graph.params).items()],
        tasks=list(tasks.values()),
    )


def _before(node: graphs.Node) -> list[graphs.Node]:
    """All nodes that a node takes from or asks: other engines cannot begin it before all of them are over."""
    promises = [*(promise for _, promise in node.inputs()), *node.conditions()]
    return list(dict.fromkeys([*map(node_of, promises), *node.after]))


def _tasks(node: graphs.Node, after: list[str], *, conditional: bool) -> Iterator[Task]:
    """The tasks of a node: one, or one for each item of the list that it is mapped over, where that is known."""
    names, mapped = [node.name], False
    if node.kind == "map":
        items = over(node)
        mapped = isinstance(items, Partitions | Promise)
        if not mapped:
            names = [each.name for each in unfolded(node, numbered(items)).nodes]
    for name in names:
        yield Task(
            name=name,
            kind="step" if node.kind in {"map", "reduce"} else node.kind,
            after=after,
            options=Options() if node.step is None else node.step.options,
            mapped=mapped,
            conditional=conditional,
        )


def _parameter(pipeline: str, name: str, value: Any) -> Parameter:
    kind = _KINDS.get(type(value))
    if kind is None:
        raise PipelineError(
            f"the parameter '{name}' of {pipeline} cannot be exported",
            cause=f"its value {value!r:.60} is neither a number nor text, nor a list or dict of them",
            cure=f"give it one: mulle export pipeline {pipeline} --param {name}=VALUE",
        )
    return Parameter(name=name, kind=kind, default=value)


def labels(tasks: Sequence[Task], allowed: Callable[[str], str], longest: int) -> dict[str, str]:
    """A name for each task that an engine takes, different for each.

    Args:
        tasks: the tasks.
        allowed: makes a name of allowed characters only.
        longest: how long a name may be.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for task in tasks:
        base = allowed(task.name)[:longest] or "step"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base[: longest - len(str(number)) - 1]}-{number}"
        taken.add(name)
        found[task.name] = name
    return found
