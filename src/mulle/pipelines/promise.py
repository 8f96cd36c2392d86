"""What a step's call gives inside a pipeline: the promise of a value that does not exist yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from mulle.errors import PipelineError

if TYPE_CHECKING:
    from mulle.pipelines.graph import Node

_INSIDE = "do that inside a step, where the value exists"


class Promise:
    """The output of a step that has not run. It can be passed to other steps, and nothing else can be done with it."""

    __slots__ = ("_annotation", "_index", "_node")

    def __init__(self, node: Node, index: int | None, annotation: Any) -> None:
        self._node = node
        self._index = index
        self._annotation = annotation

    def __repr__(self) -> str:
        part = "" if self._index is None else f"[{self._index}]"
        return f"<promise of {self._node.name}{part}>"

    def _refuse(self, use: str, cure: str = _INSIDE) -> NoReturn:
        raise PipelineError(
            f"a promise of '{self._node.name}' was {use}",
            cause="inside a pipeline a step's call gives a promise; its value exists only when the pipeline runs",
            cure=cure,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols (copying, pickling, inspection) ask and go on without
            raise AttributeError(name)
        self._refuse(f"asked for '.{name}'")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never returns
        self._refuse(
            "used as a condition", "decide by mulle.when(promise, then, otherwise), inside a step, or by a parameter"
        )

    def __iter__(self) -> Any:
        name = self._node.name.partition("-")[0]
        cure = f"to unpack it, annotate what {name} returns: def {name}(…) -> tuple[A, B]"
        self._refuse("iterated or unpacked", f"{cure}; to work on each item, step.map(promise)")

    def __getitem__(self, key: object) -> Any:
        self._refuse("indexed", f"{_INSIDE}, or name the outputs: annotate that the step returns a TypedDict")

    def __call__(self, *_: object, **__: object) -> Any:
        self._refuse("called")

    def __str__(self) -> str:  # noqa: PLE0307 - it never returns
        self._refuse("turned into text")

    def __format__(self, spec: str) -> str:
        self._refuse("turned into text")

    def __contains__(self, item: object) -> bool:
        self._refuse("searched")

    def __eq__(self, other: object) -> bool:
        self._refuse("compared", "make the comparison inside a step")

    def __hash__(self) -> int:
        return id(self)


def _trap(use: str) -> Any:
    def refuse(self: Promise, *_: object) -> Any:
        self._refuse(use)

    return refuse


_COMPARED = ["__lt__", "__le__", "__gt__", "__ge__", "__ne__"]
_CONVERTED = ["__len__", "__int__", "__float__", "__index__", "__array__", "__next__", "__bytes__", "__enter__"]
_BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]
_COMPUTED = [f"__{side}{name}__" for name in _BINARY for side in ("", "r")] + ["__neg__", "__abs__", "__invert__"]
for _names, _use in [(_COMPARED, "compared"), (_CONVERTED, "used as a value"), (_COMPUTED, "computed with")]:
    for _name in _names:
        setattr(Promise, _name, _trap(_use))


def node_of(promise: Promise) -> Node:
    """The node whose output is promised."""
    return promise._node  # noqa: SLF001 - a promise shows nothing to user code


def index_of(promise: Promise) -> int:
    """Which of the node's outputs is promised."""
    return promise._index or 0  # noqa: SLF001 - as above


def place_of(promise: Promise) -> int | None:
    """The same; None where the node has one output, not unpacked."""
    return promise._index  # noqa: SLF001 - as above


def annotation_of(promise: Promise) -> Any:
    """What the promised value is said to be."""
    return promise._annotation  # noqa: SLF001 - as above


def promises(value: Any) -> Iterator[Promise]:
    """The promises in a value, also inside lists, tuples and dicts."""
    yield from (found for found in leaves(value) if isinstance(found, Promise))


def leaves(value: Any) -> Iterator[Any]:
    """What a nest of lists, tuples (also named ones) and dicts holds."""
    if type(value) is list or is_tuple(value):
        for item in value:
            yield from leaves(item)
    elif type(value) is dict:
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


def is_tuple(value: Any) -> bool:
    """Whether it is a tuple, or one with named places."""
    return type(value) is tuple or (isinstance(value, tuple) and hasattr(type(value), "_make"))
