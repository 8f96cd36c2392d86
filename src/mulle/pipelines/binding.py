"""What a call inside a pipeline is given, checked against the annotations before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mulle.data.definition import Dataset
from mulle.data.partitions import Partition, Partitions
from mulle.errors import PipelineError, UsageError
from mulle.pipelines.conversion import converted, plain_type
from mulle.pipelines.promise import Promise, annotation_of, leaves, node_of

_PASSED_ON = (Promise, Dataset, Partition, Partitions)


class Callee(Protocol):
    """What is called: a step, or a pipeline inside another one."""

    name: str

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters."""

    @property
    def hints(self) -> dict[str, Any]:
        """Its annotations."""


def bound(
    callee: Callee, args: Sequence[Any], kwargs: Mapping[str, Any], *, kind: str = "step", unchecked: int = 0
) -> dict[str, Any]:
    """All arguments of a call by parameter, each as its annotation wants it.

    Args:
        callee: what is called.
        args: the arguments by place.
        kwargs: those by name.
        kind: what to call it in errors.
        unchecked: how many of the first arguments stand for others: what the step is mapped over.

    Raises:
        PipelineError: an argument is missing, unknown, or of a type that cannot fit.
    """
    try:
        found = callee.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise PipelineError(
            f"the {kind} '{callee.name}' cannot be called so",
            cause=str(error),
            cure=f"its signature: {callee.signature}",
        ) from error
    found.apply_defaults()
    given = enumerate(found.arguments.items())
    return {n: v if place < unchecked else _checked(callee, kind, n, v) for place, (n, v) in given}


def _checked(callee: Callee, kind: str, name: str, value: Any) -> Any:
    """The argument as its annotation wants it; refused before anything runs when it cannot fit."""
    parameter = callee.signature.parameters[name]
    wanted = callee.hints.get(name, Any)
    if value is parameter.default or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        return value
    if isinstance(value, Promise):
        given = annotation_of(value)
        if not _fits(given, wanted):
            raise PipelineError(
                f"the {kind} '{callee.name}' takes {_text(wanted)} for '{name}', but is given {_text(given)}",
                cause=f"'{node_of(value).name}' is annotated to return {_text(given)}",
                cure="pass another value, or mend the annotation that is wrong",
            )
        return value
    if any(isinstance(leaf, _PASSED_ON) for leaf in leaves(value)):
        return value
    if not plain_type(wanted):
        if not _may_be(value, wanted):
            raise PipelineError(
                f"the argument '{name}' of {callee.name} cannot be {value!r:.60}",
                cause=f"it is annotated {_text(wanted)}",
                cure="pass a value of that type",
            )
        return value
    try:
        return converted(value, wanted, f"argument '{name}' of {callee.name}", strict=True)
    except UsageError as error:
        raise PipelineError(error.message, cause=error.cause, cure=error.cure) from error


def _may_be(value: Any, wanted: Any) -> bool:
    """False only where a class is wanted that the value is not of."""
    if wanted is Any or not isinstance(wanted, type):
        return True
    try:
        return isinstance(value, wanted) or _fits(type(value), wanted)
    except TypeError:  # a protocol that cannot be asked
        return True


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
