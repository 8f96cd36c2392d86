"""The graph that a pipeline's calls of steps make, found by calling the function once with promises for values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from mulle.data.definition import Dataset
from mulle.data.partitions import Partitions
from mulle.errors import MulleError, PipelineError
from mulle.pipelines.binding import bound
from mulle.pipelines.definition import Pipeline, Step
from mulle.pipelines.model import GraphEdge, NodeKind
from mulle.pipelines.promise import Promise, leaves, node_of, promises

GUARD = "when"
"""The label of an edge from a condition to what runs only when it holds."""


@dataclass(frozen=True, eq=False)
class Guard:
    """What it guards runs only if the condition, a promise or a value, is true (or is false, where that is wanted)."""

    condition: Any
    wanted: bool


@dataclass(eq=False)
class Node:
    """A call of a step in a pipeline. Its arguments hold promises where they come from other nodes."""

    name: str
    kind: NodeKind
    arguments: dict[str, Any]
    step: Step[..., Any] | None = None
    outputs: int | None = None
    """How many outputs are unpacked; None: one, not unpacked."""
    after: list[Node] = field(default_factory=list)
    effect: Literal["", "register", "commit"] = ""
    """What a node of the kind "effect" does."""
    committed: Dataset | None = None
    """The definition of the dataset that is committed to, where it was given. It is not read."""
    guards: list[Guard] = field(default_factory=list)
    """All of them must hold for the node to run; else it is skipped."""
    choices: dict[str, list[Guard]] = field(default_factory=dict)
    """Of a node of the kind "when": by argument, what must hold for it to be what is chosen. The last one counts."""

    def inputs(self) -> Iterator[tuple[str, Promise]]:
        """The promises among the arguments, with the parameter each comes under."""
        for name, value in self.arguments.items():
            for promise in promises(value):
                yield name, promise

    def conditions(self) -> Iterator[Promise]:
        """The promises that decide whether, or with what, the node goes on."""
        for guards in (self.guards, *self.choices.values()):
            for guard in guards:
                yield from promises(guard.condition)

    def depends(self) -> list[Node]:
        """The nodes that have to be over before this one goes on, each once.

        One that others come into the place of waits only for what decides which they are.
        """
        over = next(iter(self.arguments.values()), None)
        if self.kind == "when":
            taken = []
        elif self.kind in {"map", "reduce"}:
            taken = [over] if isinstance(over, Promise) else []
        else:
            taken = [promise for _, promise in self.inputs()]
        return list(dict.fromkeys([*map(node_of, [*taken, *self.conditions()]), *self.after]))


@dataclass
class Graph:
    """A traced pipeline: nodes in the order of their calls, which is an order they can run in."""

    pipeline: str
    params: dict[str, Any]
    nodes: list[Node]
    returned: Any = None

    def edges(self) -> list[GraphEdge]:
        """Who takes from whom, and who waits for whose decision."""
        found: dict[GraphEdge, None] = {}
        for node in self.nodes:
            for name, promise in node.inputs():
                found[GraphEdge(node_of(promise).name, node.name, name)] = None
            for promise in node.conditions():
                found[GraphEdge(node_of(promise).name, node.name, GUARD)] = None
            for each in node.after:
                found[GraphEdge(each.name, node.name, "")] = None
        return list(found)

    def datasets(self) -> list[Dataset]:
        """All datasets that the graph reads, each once."""
        found: dict[str, Dataset] = {}
        for node in self.nodes:
            for value in node.arguments.values():
                found |= {dataset.name: dataset for dataset in datasets(value)}
        return list(found.values())


def datasets(value: Any) -> Iterator[Dataset]:
    """The datasets in a value, also those that feature views are computed from."""
    for found in leaves(value):
        if isinstance(found, Dataset):
            yield found
        elif not isinstance(found, Promise) and isinstance(getattr(found, "source", None), Dataset):
            yield found.source


class Trace:
    """Collects the nodes while a pipeline's function is called."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._taken: dict[str, int] = {}
        self._prefix = ""
        self._guards: list[Guard] = []

    def call(self, step: Step[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A node for the call; the promise of its output, or promises put together as its outputs are."""
        arguments = bound(step, args, kwargs)
        node = self._of(step, "step", arguments)
        outputs = step.outputs()
        if outputs is None:
            return Promise(node, None, step.hints.get("return"))
        return outputs.made([Promise(node, index, each) for index, each in enumerate(outputs.kinds)])

    def map(self, step: Step[..., Any], over: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A call for each item; the promise of the list of its outputs, or of several lists put together as they are.

        Items are given to the step's first parameter. Those of partitions are known when the run begins, those of what
        another step gives when that step is over.
        """
        node = self._over(step, "map", over, bound(step, [over, *args], kwargs, unchecked=1))
        outputs = step.outputs()
        if outputs is None:
            return Promise(node, None, list)
        return outputs.made([Promise(node, index, list) for index in range(len(outputs.kinds))])

    def reduce(self, step: Step[..., Any], over: Any, kwargs: Mapping[str, Any]) -> Any:
        """Calls that combine two items each until one is left; its promise."""
        if isinstance(over, Partitions):
            raise PipelineError(
                f"the step '{step.name}' cannot combine partitions",
                cause="what it combines are results of steps, or values",
                cure="map a step over the partitions, and reduce what it gives",
            )
        if step.outputs() is not None:
            raise PipelineError(
                f"the step '{step.name}' cannot combine two into one",
                cause="it returns several outputs",
                cure="have it return one value",
            )
        node = self._over(step, "reduce", over, bound(step, [over, None], kwargs, unchecked=2))
        return Promise(node, None, step.hints.get("return"))

    def nest(self, pipeline: Pipeline[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a pipeline gives inside this one: its nodes, their names after its own."""
        arguments = bound(pipeline, args, kwargs, kind="pipeline")
        outside, self._prefix = self._prefix, self._name(pipeline.name) + "/"
        try:
            return pipeline.call(arguments)
        finally:
            self._prefix = outside

    @contextmanager
    def guarded(self, guards: Sequence[Guard]) -> Iterator[None]:
        """Within the block, nodes run only if these hold too."""
        outside, self._guards = self._guards, [*self._guards, *guards]
        try:
            yield
        finally:
            self._guards = outside

    def add(
        self,
        name: str,
        kind: NodeKind,
        arguments: dict[str, Any],
        step: Step[..., Any] | None = None,
        outputs: int | None = None,
    ) -> Node:
        """A node under a name of its own: the second call of `train` is `train-2`, one in `prepare` `prepare/train`."""
        node = Node(self._name(name), kind, arguments, step, outputs, guards=self._guards)
        self.nodes.append(node)
        return node

    def _name(self, name: str) -> str:
        name = self._prefix + name
        self._taken[name] = count = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}-{count}"

    def _of(self, step: Step[..., Any], kind: NodeKind, arguments: dict[str, Any]) -> Node:
        outputs = step.outputs()
        return self.add(step.name, kind, arguments, step, None if outputs is None else len(outputs.kinds))

    def _over(self, step: Step[..., Any], kind: NodeKind, over: Any, arguments: dict[str, Any]) -> Node:
        """A node that becomes several when what it goes over is known."""
        if not isinstance(over, Partitions | Promise | list | tuple):
            raise PipelineError(
                f"the step '{step.name}' cannot be mapped over {type(over).__name__}",
                cause="a list is needed",
                cure="map over mulle.partitions(…), a list, or what a step gives that returns a list",
            )
        return self._of(step, kind, arguments)


_tracing: ContextVar[Trace | None] = ContextVar("mulle_trace", default=None)


def tracing() -> Trace | None:
    """The trace that is on, if one is."""
    return _tracing.get()


def trace(pipeline: Pipeline[..., Any], params: Mapping[str, Any]) -> Graph:
    """Call the pipeline's function with promises for values; nothing of the steps runs.

    Raises:
        UsageError: a parameter is missing, unknown or of another type.
        PipelineError: a promise was used as a value, or a step was called wrongly.
    """
    complete = pipeline.parameters(params)
    collected = Trace()
    token = _tracing.set(collected)
    try:
        returned = _call(pipeline.call, complete, pipeline.name)
    finally:
        _tracing.reset(token)
    return Graph(pipeline.name, complete, collected.nodes, returned)


def _call(function: Callable[[Mapping[str, Any]], Any], params: Mapping[str, Any], name: str) -> Any:
    try:
        return function(params)
    except MulleError:
        raise
    except Exception as error:
        raise PipelineError(
            f"the pipeline '{name}' cannot be traced: {type(error).__name__}: {error}",
            cause=_where(error),
            cure="a pipeline only calls steps; work on values belongs inside them",
        ) from error


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
