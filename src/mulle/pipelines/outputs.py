"""Several outputs of one step, as its return annotation says: a tuple, a NamedTuple or a TypedDict."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any, NamedTuple

from mulle.errors import PipelineError


class Outputs(NamedTuple):
    """What a step returns when it returns several values, each an output of its own."""

    kinds: tuple[Any, ...]
    names: tuple[str, ...] = ()
    """By which a TypedDict holds them; empty where the place says it."""
    record: Any = None
    """The NamedTuple that they are put in."""

    def made(self, values: Sequence[Any]) -> Any:
        """Values put together as the step itself would return them."""
        if self.names:
            return dict(zip(self.names, values, strict=True))
        return tuple(values) if self.record is None else self.record(*values)


def outputs_of(returned: Any) -> Outputs | None:
    """What the return annotation lists; None for a single output."""
    if typing.is_typeddict(returned):
        hints = typing.get_type_hints(returned)
        return Outputs(tuple(hints.values()), tuple(hints))
    if isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_make"):
        hints = typing.get_type_hints(returned)
        return Outputs(tuple(hints.get(name, Any) for name in returned._fields), record=returned)  # type: ignore[attr-defined]
    arguments = typing.get_args(returned)
    if typing.get_origin(returned) is not tuple or Ellipsis in arguments or not arguments:
        return None
    return Outputs(arguments)


def taken_apart(result: Any, count: int, names: Sequence[str], step: str) -> list[Any]:
    """What a step returned, output by output.

    Raises:
        PipelineError: it is not what the annotation says.
    """
    if names:
        if isinstance(result, dict) and set(result) == set(names):
            return [result[name] for name in names]
        given = f"a dict of {', '.join(map(str, result))}" if isinstance(result, dict) else type(result).__name__
        wanted = f"a dict of {', '.join(names)}"
    else:
        if isinstance(result, tuple) and len(result) == count:
            return list(result)
        given = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        wanted = f"a tuple of {count}"
    raise PipelineError(
        f"the step '{step}' returned {given}",
        cause=f"it is annotated to return {wanted}",
        cure="mend the return statement or the annotation",
    )
