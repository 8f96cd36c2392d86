"""Verbs: the public methods of the services, marked so that routes, client and OpenAPI can be derived from them.

A verb takes plain arguments and msgspec Structs and returns either one Struct or an iterator of Structs. `acting` says
who acts, why, and because of which event; the ledger reads it when a verb records what it changed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, runtime_checkable

Scope = Literal["read", "write", "admin"]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts, through which verb, why, and because of which event (its id); `far` where the call came over a wire."""

    actor: str = "system"
    verb: str = ""
    reason: str = ""
    cause: str = ""
    far: bool = False


_acting: ContextVar[Acting] = ContextVar("mulle_acting", default=Acting())  # noqa: B039 - frozen


def current() -> Acting:
    """The acting context of this task."""
    return _acting.get()


@contextmanager
def acting(
    *,
    actor: str | None = None,
    verb: str | None = None,
    reason: str | None = None,
    cause: str | None = None,
    far: bool | None = None,
) -> Iterator[Acting]:
    """Within the block, changes are recorded under these; what is None is inherited."""
    given: dict[str, Any] = {"actor": actor, "verb": verb, "reason": reason, "cause": cause, "far": far}
    state = replace(_acting.get(), **{name: value for name, value in given.items() if value is not None})
    token = _acting.set(state)
    try:
        yield state
    finally:
        _acting.reset(token)


@runtime_checkable
class Live(Protocol):
    """What a verb's iterator may be beside: one that can be asked for what is there, so that nobody has to wait."""

    def poll(self) -> Sequence[Any] | None:
        """The items that came since the last time; None when there will be no more."""


def verb(scope: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a service's method as a verb that needs `scope`; inside it `current().verb` is `<plane>.<name>`."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            plane = getattr(args[0], "plane", "") if args else ""
            token = _acting.set(replace(_acting.get(), verb=f"{plane}.{function.__name__}"))
            try:
                return function(*args, **kwargs)
            finally:
                _acting.reset(token)

        call.__verb__ = scope  # type: ignore[attr-defined]
        return call

    return mark


def verbs_of(service: Any) -> dict[str, tuple[Scope, Callable[..., Any]]]:
    """The verbs of a service (instance or class) by name, each with its scope."""
    found: dict[str, tuple[Scope, Callable[..., Any]]] = {}
    for name in dir(type(service) if not isinstance(service, type) else service):
        scope = getattr(getattr(type(service) if not isinstance(service, type) else service, name), "__verb__", None)
        if scope is not None:
            found[name] = (scope, getattr(service, name))
    return found
