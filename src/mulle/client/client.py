"""The same verbs, on another machine: `Client(url).runs.list()` is `workspace.runs.list()`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mulle.client.planes import SERVICES, Planes
from mulle.client.transport import Transport
from mulle.client.verbtable import verbs_by_name
from mulle.errors import UsageError, unknown

if TYPE_CHECKING:
    from mulle.client.verbtable import Verb


class Caller(Protocol):
    """What carries a call to where the verb is."""

    def call(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        """The verb's result; its error, of the class that it had there."""


class Remote:
    """A service whose verbs are called elsewhere. The rest of the service, which is Python only, is not there."""

    def __init__(self, plane: str, service: type[Any], transport: Caller) -> None:
        self._plane = plane
        self._verbs = verbs_by_name({plane: service})
        self._transport = transport

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        verb = self._verbs.get(f"{self._plane}.{name.rstrip('_')}")
        if verb is None:
            raise unknown("verb", f"{self._plane}.{name}", self._verbs, cure="use one of the verbs that travel")
        return self._call(verb)

    def _call(self, verb: Verb) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                given = verb.signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise UsageError(
                    f"{verb.plane}.{verb.name}: {error}", cure=f"its arguments are {verb.signature}"
                ) from None
            return self._transport.call(verb, given)

        call.__name__, call.__doc__ = verb.name, verb.doc
        return call


class Client(Planes):
    """A workspace on a server: its services with the same verbs, which take and give the same types."""

    def __init__(self, url: str) -> None:
        self.transport = Transport(url)

    def __getattr__(self, plane: str) -> Remote:
        if plane.startswith("_"):
            raise AttributeError(plane)
        if plane not in SERVICES:
            raise unknown("plane", plane, SERVICES, cure=f"use one of: {', '.join(SERVICES)}")
        module, _, name = SERVICES[plane].partition(":")
        remote = Remote(plane, getattr(importlib.import_module(module), name), self.transport)
        self.__dict__[plane] = remote
        return remote
