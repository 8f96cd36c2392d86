"""`mulle.loop`: steps that are repeated until one says that it is enough, a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from mulle.errors import UsageError
from mulle.pipelines import graph
from mulle.pipelines.branching import Candidate, choice
from mulle.pipelines.graph import Guard
from mulle.pipelines.promise import Promise

T = TypeVar("T")


def loop(body: Callable[[T], T], start: T, *, until: Callable[[T], Any], most: int) -> T:
    """Repeat steps: `body(start)`, then `body` of what came of it, until `until` of it is true; `most` times at most.

    Inside a pipeline all rounds are traced; those that are not needed are skipped.

    Args:
        body: one round; it calls steps with the state and gives the next one: a promise, or a tuple or dict of them.
        start: what the first round begins with.
        until: calls a step that gives a bool: whether this state is good enough.
        most: how many rounds at most; at least one is made.

    Returns:
        The state of the last round that was made.

    Raises:
        UsageError: `most` is less than one.
    """
    if isinstance(most, Promise) or most < 1:
        raise UsageError(
            "a loop needs a number of rounds that is known, at least one", cause=f"most={most!r}", cure="most=10"
        )
    trace = graph.tracing()
    rounds: dict[str, Candidate] = {}
    state, guards = start, list[Guard]()
    with ExitStack() as stack:
        for number in range(1, most + 1):
            state = body(state)
            rounds[f"round {number}"] = Candidate(guards, state)
            enough = until(state) if number < most else True
            if not isinstance(enough, Promise):
                if enough:
                    break
                continue
            guards = [Guard(enough, wanted=False)]
            if trace is not None:
                stack.pop_all().close()
                stack.enter_context(trace.guarded(guards))
    if trace is None or len(rounds) == 1:
        return state
    made: T = choice(trace, "loop", rounds)
    return made
