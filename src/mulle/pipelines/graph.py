"""The graph that a pipeline's calls of steps make, found by calling the function once with promises for values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from mulle.data.definition import Dataset
from mulle.data.partitions import Partitions
from mulle.errors import MulleError, PipelineError, UsageError
from mulle.pipelines.definition import Pipeline, Step, converted, plain_type
from mulle.pipelines.model import GraphEdge, NodeKind
from mulle.pipelines.promise import Promise


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

    def inputs(self) -> Iterator[tuple[str, Promise]]:
        """The promises among the arguments, with the parameter each comes under."""
        for name, value in self.arguments.items():
            for promise in promises(value):
                yield name, promise

    def depends(self) -> list[Node]:
        """The nodes whose outputs this one takes, each once."""
        return list(dict.fromkeys([*(node_of(promise) for _, promise in self.inputs()), *self.after]))


@dataclass
class Graph:
    """A traced pipeline: nodes in the order of their calls, which is an order they can run in."""

    pipeline: str
    params: dict[str, Any]
    nodes: list[Node]
    returned: Any = None

    def edges(self) -> list[GraphEdge]:
        """Who takes from whom."""
        found = [GraphEdge(node_of(p).name, node.name, name) for node in self.nodes for name, p in node.inputs()]
        return list(dict.fromkeys(found))

    def datasets(self) -> list[Dataset]:
        """All datasets that the graph reads, each once."""
        found: dict[str, Dataset] = {}
        for node in self.nodes:
            for value in node.arguments.values():
                found |= {dataset.name: dataset for dataset in datasets(value)}
        return list(found.values())


def node_of(promise: Promise) -> Node:
    """The node whose output is promised."""
    return promise._node  # noqa: SLF001 - a promise shows nothing to user code


def index_of(promise: Promise) -> int:
    """Which of the node's outputs is promised."""
    return promise._index or 0  # noqa: SLF001 - as above


def promises(value: Any) -> Iterator[Promise]:
    """The promises in a value, also inside lists, tuples and dicts."""
    yield from (found for found in leaves(value) if isinstance(found, Promise))


def datasets(value: Any) -> Iterator[Dataset]:
    """The datasets in a value, also those that feature views are computed from."""
    for found in leaves(value):
        if isinstance(found, Dataset):
            yield found
        elif not isinstance(found, Promise) and isinstance(getattr(found, "source", None), Dataset):
            yield found.source


def leaves(value: Any) -> Iterator[Any]:
    """What a nest of lists, tuples and dicts holds."""
    if type(value) in {list, tuple}:
        for item in value:
            yield from leaves(item)
    elif type(value) is dict:
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


class Trace:
    """Collects the nodes while a pipeline's function is called."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._taken: dict[str, int] = {}

    def call(self, step: Step[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A node for the call; the promise of its output, or a tuple of promises where it returns a tuple."""
        arguments = _bound(step, args, kwargs)
        outputs = step.outputs()
        node = self.add(step.name, "step", arguments, step, None if outputs is None else len(outputs))
        if outputs is None:
            return Promise(node, None, step.hints.get("return"))
        return tuple(Promise(node, index, each) for index, each in enumerate(outputs))

    def map(self, step: Step[..., Any], over: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A call for each item; the promise of the list of its outputs, or a tuple of such where it returns a tuple.

        Items are given to the step's first parameter. Those of partitions are known when the run begins.
        """
        if not isinstance(over, Partitions | list | tuple):
            raise PipelineError(
                f"the step '{step.name}' cannot be mapped over {type(over).__name__}",
                cause="what there is to map over has to be known before anything runs",
                cure="map over mulle.partitions(…) or a list; what a step returned is worked on inside a step",
            )
        arguments = _bound(step, [over, *args], kwargs, first_as_it_is=True)
        outputs = step.outputs()
        node = self.add(step.name, "map", arguments, step, None if outputs is None else len(outputs))
        if outputs is None:
            return Promise(node, None, list)
        return tuple(Promise(node, index, list) for index in range(len(outputs)))

    def add(
        self,
        name: str,
        kind: NodeKind,
        arguments: dict[str, Any],
        step: Step[..., Any] | None = None,
        outputs: int | None = None,
    ) -> Node:
        """A node under a name of its own: the second call of `train` is `train-2`."""
        self._taken[name] = count = self._taken.get(name, 0) + 1
        node = Node(name if count == 1 else f"{name}-{count}", kind, arguments, step, outputs)
        self.nodes.append(node)
        return node


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
        returned = _call(pipeline.function, complete, pipeline.name)
    finally:
        _tracing.reset(token)
    return Graph(pipeline.name, complete, collected.nodes, returned)


def _call(function: Callable[..., Any], params: Mapping[str, Any], name: str) -> Any:
    try:
        return function(**params)
    except MulleError:
        raise
    except Exception as error:
        raise PipelineError(
            f"the pipeline '{name}' cannot be traced: {type(error).__name__}: {error}",
            cause=_where(error),
            cure="a pipeline only calls steps; work on values belongs inside them",
        ) from error


def _bound(
    step: Step[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, first_as_it_is: bool = False
) -> dict[str, Any]:
    """All arguments of a call by parameter, each as its annotation wants it."""
    try:
        bound = step.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise PipelineError(
            f"the step '{step.name}' cannot be called so", cause=str(error), cure=f"its signature: {step.signature}"
        ) from error
    first = next(iter(bound.arguments)) if first_as_it_is else None
    bound.apply_defaults()
    return {name: value if name == first else _checked(step, name, value) for name, value in bound.arguments.items()}


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _checked(step: Step[..., Any], name: str, value: Any) -> Any:
    """The argument as its annotation wants it; refused before anything runs when it cannot fit."""
    kind = step.hints.get(name, Any)
    if isinstance(value, Promise):
        given = value._annotation  # noqa: SLF001 - as above
        if not _fits(given, kind):
            raise PipelineError(
                f"the step '{step.name}' takes {_text(kind)} for '{name}', but is given {_text(given)}",
                cause=f"'{node_of(value).name}' is annotated to return {_text(given)}",
                cure="pass another value, or mend the annotation that is wrong",
            )
        return value
    if not plain_type(kind) or any(isinstance(leaf, Promise | Dataset) for leaf in leaves(value)):
        return value
    try:
        return converted(value, kind, f"argument '{name}' of {step.name}", strict=True)
    except UsageError as error:
        raise PipelineError(error.message, cause=error.cause, cure=error.cure) from error


def _text(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)


def _fits(given: Any, wanted: Any) -> bool:
    """False only where two classes are known and can have no value in common."""
    if not (isinstance(given, type) and isinstance(wanted, type)) or object in {given, wanted}:
        return True
    if {given, wanted} <= {int, float, bool} or getattr(wanted, "_is_protocol", False) or _abstract(wanted):
        return True
    return issubclass(given, wanted) or issubclass(wanted, given)


def _abstract(kind: type) -> bool:
    return bool(getattr(kind, "__abstractmethods__", None)) or kind.__module__ in {"collections.abc", "typing", "abc"}
