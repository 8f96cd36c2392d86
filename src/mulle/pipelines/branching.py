"""`mulle.when`: one of two branches of a pipeline, chosen by what a step gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from mulle.pipelines import graph
from mulle.pipelines.graph import Guard, Trace
from mulle.pipelines.promise import Promise, annotation_of, is_tuple

T = TypeVar("T")
U = TypeVar("U")


class Candidate(NamedTuple):
    """A value that is chosen if its guards hold."""

    guards: Sequence[Guard]
    value: Any


def when(condition: Any, then: Callable[[], T], otherwise: Callable[[], U] | None = None) -> T | U | None:
    """One of two branches: only the steps of the one that is taken run, the others are skipped.

    Inside a pipeline both functions are called while it is traced; what they call belongs to their branch. Elsewhere
    only the one that is taken is called.

    Args:
        condition: what a step gave, a bool; or a plain value.
        then: gives the result where the condition is true.
        otherwise: gives it where it is not; None by default.

    Returns:
        What the branch that was taken gave; of two tuples of one length, or two dicts of the same keys, such a one.
    """
    trace = graph.tracing()
    if trace is None or not isinstance(condition, Promise):
        return then() if condition else otherwise() if otherwise is not None else None
    candidates: dict[str, Candidate] = {}
    for name, branch, wanted in (("then", then, True), ("otherwise", otherwise, False)):
        guards = [Guard(condition, wanted)]
        with trace.guarded(guards):
            candidates[name] = Candidate(guards, None if branch is None else branch())
    chosen: T | U | None = choice(trace, "when", candidates)
    return chosen


def choice(trace: Trace, name: str, candidates: Mapping[str, Candidate]) -> Any:
    """The promise of the last candidate whose guards hold; of tuples or dicts alike in form, one for each place."""
    values = [candidate.value for candidate in candidates.values()]
    first = values[0]
    if (first is None or isinstance(first, Promise)) and all(value is first for value in values):
        return first
    if is_tuple(first) and all(type(value) is type(first) and len(value) == len(first) for value in values):
        made = [_part(trace, name, candidates, place) for place in range(len(first))]
        return tuple(made) if type(first) is tuple else type(first)._make(made)
    if type(first) is dict and all(type(value) is dict and value.keys() == first.keys() for value in values):
        return {key: _part(trace, name, candidates, key) for key in first}
    node = trace.add(name, "when", {label: candidate.value for label, candidate in candidates.items()})
    node.choices = {label: list(candidate.guards) for label, candidate in candidates.items()}
    kinds = [annotation_of(value) if isinstance(value, Promise) else type(value) for value in values]
    return Promise(node, None, kinds[0] if all(kind == kinds[0] for kind in kinds) else None)


def _part(trace: Trace, name: str, candidates: Mapping[str, Candidate], key: Any) -> Any:
    return choice(trace, name, {label: Candidate(each.guards, each.value[key]) for label, each in candidates.items()})
