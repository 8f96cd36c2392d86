"""The verb table: what each verb takes and gives, read from its signature; server, client, OpenAPI derive from it."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mulle.verbs import Scope, verbs_of


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its arguments as a Struct type, and the type of its result (of one item, when it streams)."""

    plane: str
    name: str
    scope: Scope
    doc: str
    signature: inspect.Signature
    arguments: type[msgspec.Struct]
    result: Any
    streams: bool

    @property
    def path(self) -> str:
        return f"/api/v1/{self.full}"

    @property
    def full(self) -> str:
        """Its name everywhere, such as "runs.list"; what Python has for itself (import_) loses its underscore."""
        return f"{self.plane}.{self.name.rstrip('_')}"

    def invoke(self, function: Callable[..., Any], given: msgspec.Struct) -> Any:
        """Call the verb's function with arguments that travelled as `arguments`."""
        named = {name: getattr(given, name) for name in self.arguments.__struct_fields__}
        parameters = self.signature.parameters.values()
        positional = [named.pop(one.name) for one in parameters if one.kind is one.POSITIONAL_ONLY]
        return function(*positional, **named)


def verbs_by_name(services: Mapping[str, Any]) -> dict[str, Verb]:
    """Every verb of the services (instances or classes) by its full name, such as "runs.list"."""
    table: dict[str, Verb] = {}
    for plane, service in services.items():
        for name, (scope, function) in verbs_of(service).items():
            made = _verb(plane, name, scope, function)
            table[made.full] = made
    return table


def _verb(plane: str, name: str, scope: Scope, function: Callable[..., Any]) -> Verb:
    plain = inspect.unwrap(function)
    hints = typing.get_type_hints(plain, globalns=_Names(plain.__module__), include_extras=True)
    signature = inspect.signature(plain)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    result = hints.get("return", Any)
    streams = typing.get_origin(result) in (Iterator, typing.get_origin(typing.Iterable[Any]))
    return Verb(
        plane=plane,
        name=name,
        scope=scope,
        doc=inspect.getdoc(plain) or "",
        signature=signature.replace(parameters=own),
        arguments=msgspec.defstruct(
            f"{plane}.{name}",
            [_field(parameter, hints.get(parameter.name, Any)) for parameter in own],
            kw_only=True,
            forbid_unknown_fields=True,
        ),
        result=typing.get_args(result)[0] if streams else result,
        streams=streams,
    )


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.default is inspect.Parameter.empty:
        return (parameter.name, hint)
    if isinstance(parameter.default, list | dict | set):
        return (parameter.name, hint, msgspec.field(default_factory=parameter.default.copy))
    return (parameter.name, hint, parameter.default)


class _Names(dict[str, Any]):
    """A module's names, and those that it imports for type checkers only: annotations may speak of both."""

    def __init__(self, module: str) -> None:
        super().__init__(vars(sys.modules[module]))
        self._module = module

    def __missing__(self, name: str) -> Any:
        for source, imported in _type_only_imports(self._module):
            if name == (imported.asname or imported.name):
                found = importlib.import_module(source or imported.name)
                value = getattr(found, imported.name) if source else found
                self[name] = value
                return value
        raise KeyError(name)


@functools.cache
def _type_only_imports(module: str) -> list[tuple[str, ast.alias]]:
    found: list[tuple[str, ast.alias]] = []
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom):
                    found += [(statement.module or "", alias) for alias in statement.names]
                elif isinstance(statement, ast.Import):
                    found += [("", alias) for alias in statement.names]
    return found
