"""What loaded objects hold that their source does not show: what was put into them, or in their place, at import.

A registry that decorators fill, a function that another module replaced, a class attribute that was set from outside, a
default that was computed: they are found by looking at the object. What is yielded is only what the source of the name
does not say by itself, so that a digest is the same whether or not a module happens to be loaded.
"""

from __future__ import annotations

import ast
import enum
import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, MappingProxyType, MethodType
from typing import Any

from mulle.hashing.content import digest_bytes

_CONTAINERS = (list, tuple, set, frozenset, deque, dict, MappingProxyType)
_DEEPEST = 8
_LARGE = 10_000
_MADE = {"_fields", "_field_defaults", "_field_types", "_is_protocol", "_is_runtime_protocol", "_abc_impl"}
"""What named tuples and protocols are given by their makers."""

Held = Iterator[tuple[str, str]]
"""What is held: a label, and the name of a part of the code or the digest of a value."""


def home(function: FunctionType) -> tuple[str, str]:
    """Module and qualified name of where a function's code was written, whatever `functools.wraps` says."""
    return function.__globals__.get("__name__", ""), function.__code__.co_qualname


def layers(value: Any) -> Iterator[Any]:
    """The object, and what it wraps in turn."""
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        yield value
        value = getattr(value, "__wrapped__", None)


class Alive:
    """Looks into loaded objects."""

    def __init__(
        self, enter: Callable[[Any], str], is_project: Callable[[str], bool], plain: Callable[[Any], bytes | None]
    ) -> None:
        """Say what to do with what is found.

        Args:
            enter: takes a function or class of the project into the digest and names its part.
            is_project: whether a module is of the project.
            plain: the canonical bytes of a plain value; None for another.
        """
        self._enter = enter
        self._is_project = is_project
        self._plain = plain

    def beside(self, live: Any, module: str, name: str, nodes: list[ast.AST], *, replaced: bool) -> Held:
        """What the object of a module's name holds beside what its source says.

        Args:
            live: the object.
            module: the module.
            name: the name in it.
            nodes: the name's definitions and statements.
            replaced: whether another object than a definition's is something to tell of; not where the source itself
                decorates it or assigns to the name.
        """
        if isinstance(live, type):
            if self._is_project(live.__module__):
                yield from self._class(live, (module, name), nodes)
            return
        functions = [each for each in layers(live) if isinstance(each, FunctionType)]
        if functions and not replaced and not any(map(_is_definition, nodes)) and not all(map(says_itself, nodes)):
            yield "is", ":".join(home(functions[-1]))
        for each in functions:
            if replaced and home(each) != (module, name) and self._is_project(home(each)[0]):
                yield "replaced", self._enter(each)
            yield from self._function(each, nodes)
        if not functions:
            yield from ((label, link) for label, link in self.pieces(live, nodes) if link)

    def _function(self, function: FunctionType, nodes: list[ast.AST]) -> Held:
        """Defaults that were computed, and what was put on it."""
        if not all(map(_literal_defaults, nodes)):
            for value in [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]:
                if (data := self._plain(value)) is not None:
                    yield "default", digest_bytes(data)
        for name, value in vars(function).items():
            if not name.startswith("__"):
                yield from self._member(name, value)

    def _class(self, kind: type, where: tuple[str, str], nodes: list[ast.AST]) -> Held:
        """Attributes that are not what the class's body says, and, where it asks for them, subclasses."""
        body = _body(nodes)
        module, qualname = where
        for name, value in vars(kind).items():
            own = body.get(name)
            if name in _MADE or (name.startswith("__") and not isinstance(value, FunctionType)):
                continue
            if isinstance(value, type) and value.__qualname__ == f"{qualname}.{name}":
                yield from self._class(value, (module, value.__qualname__), [own] if own is not None else [])
                continue
            functions = _functions(value)
            if not functions:
                yield from self._attribute(name, value, own)
            for function in functions:
                foreign = home(function) != (module, f"{qualname}.{name}") and not _decorated(own)
                if foreign and self._is_project(home(function)[0]):
                    yield f"replaced {name}", self._enter(function)
                elif own is not None:
                    yield from self._function(function, [own])
        if any(_asks_for_subclasses(node) for node in nodes):
            yield from self.subclasses(kind)

    def subclasses(self, kind: type) -> Held:
        """The classes of the project that are loaded and derive from this one."""
        derived: list[type] = kind.__subclasses__()
        for each in derived:
            if self._is_project(each.__module__):
                yield "subclass", self._enter(each)
                yield from self.subclasses(each)

    def _attribute(self, name: str, value: Any, own: ast.AST | None) -> Held:
        if isinstance(value, enum.Enum):
            value = value.value
        if name.startswith("_") and name.endswith("_"):
            return
        if not _says(own, value):
            yield from self._member(name, value)

    def _member(self, name: str, value: Any) -> Held:
        data = self._plain(value)
        if data is not None:
            yield name, digest_bytes(data)
        else:
            yield from ((f"{name} {label}".strip(), link) for label, link in self.pieces(value))

    def pieces(self, value: Any, nodes: list[ast.AST] | None = None) -> Held:
        """The project's code that a value holds, and the state of the project's own instances."""
        yield from self._pieces(value, nodes or [], set(), 0)

    def _pieces(self, value: Any, nodes: list[ast.AST], seen: set[int], depth: int) -> Held:
        if id(value) in seen or depth > _DEEPEST:
            return
        seen.add(id(value))
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(value, type | FunctionType):
            yield from self._code(value, nodes)
        elif isinstance(value, functools.partial | MethodType):
            for each in _bound(value):
                yield from self._part(each, nodes, seen, depth)
        elif isinstance(value, _CONTAINERS):
            for each in _items(value):
                yield from self._pieces(each, nodes, seen, depth + 1)
        elif self._is_project(type(value).__module__):
            yield "type", self._enter(type(value))
            for name, each in _state(value).items():
                yield from ((f".{name}{label}", link) for label, link in self._part(each, nodes, seen, depth))
        elif isinstance(wrapped, FunctionType):
            yield from self._code(wrapped, nodes)

    def _part(self, value: Any, nodes: list[ast.AST], seen: set[int], depth: int) -> Held:
        data = self._plain(value)
        if data is not None:
            yield "", digest_bytes(data)
        else:
            yield from self._pieces(value, nodes, seen, depth + 1)

    def _code(self, value: Any, nodes: list[ast.AST]) -> Held:
        module = value.__module__ if isinstance(value, type) else home(value)[0]
        if module and self._is_project(module) and not _within(value, nodes):
            yield "", self._enter(value)


def _bound(value: functools.partial[Any] | MethodType) -> list[Any]:
    """What is called, and what it is called with."""
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    return [value.func, *value.args, *value.keywords.values()]


def _items(value: Any) -> list[Any]:
    """What a container holds; nothing where it holds very much."""
    if len(value) > _LARGE:
        return []
    return [*value, *value.values()] if isinstance(value, Mapping) else list(value)


def says_itself(node: ast.AST) -> bool:
    """Whether a statement writes out what it assigns: names, constants, lists and dicts of them, nothing computed."""
    value = getattr(node, "value", None)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or value is None:
        return False
    return all(isinstance(inner, _WRITTEN_OUT) for inner in _outside_lambdas(value))


_WRITTEN_OUT = (
    *(ast.Name, ast.Attribute, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Lambda, ast.Load),
    *(ast.UnaryOp, ast.USub),
)


def _outside_lambdas(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _outside_lambdas(child)


def _is_definition(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _functions(value: Any) -> list[FunctionType]:
    """The functions that a class's attribute is made of, the wrapped ones too."""
    parts: list[Any] = [value]
    if isinstance(value, staticmethod | classmethod):
        parts = [value.__func__]
    elif isinstance(value, property):
        parts = [value.fget, value.fset, value.fdel]
    elif isinstance(value, functools.cached_property):
        parts = [value.func]
    elif isinstance(value, functools.singledispatchmethod):
        parts = [value.func, *value.dispatcher.registry.values()]
    return [layer for part in parts for layer in layers(part) if isinstance(layer, FunctionType)]


def _state(value: Any) -> dict[str, Any]:
    state = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                state.setdefault(name, getattr(value, name))
    return state


def _body(nodes: list[ast.AST]) -> dict[str, ast.AST]:
    """What the bodies of a class's definitions say of each name."""
    found: dict[str, ast.AST] = {}
    for node in nodes:
        for statement in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[statement.name] = statement
            elif isinstance(statement, ast.Assign):
                found |= {target.id: statement for target in statement.targets if isinstance(target, ast.Name)}
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                found[statement.target.id] = statement
    return found


def _decorated(node: ast.AST | None) -> bool:
    return bool(getattr(node, "decorator_list", None))


def _says(node: ast.AST | None, value: Any) -> bool:
    """Whether a statement assigns just this value, written out."""
    written = getattr(node, "value", None)
    if written is None:
        return False
    try:
        return bool(type(literal := ast.literal_eval(written)) is type(value) and literal == value)
    except (ValueError, TypeError, RecursionError):
        return False


def _literal_defaults(node: ast.AST) -> bool:
    """Whether a definition's defaults are all written out."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
    return all(isinstance(each, ast.Constant) for each in defaults)


def _asks_for_subclasses(node: ast.AST) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init_subclass__":
            return True
        if isinstance(inner, ast.Attribute) and inner.attr == "__subclasses__":
            return True
    return False


def _within(value: Any, nodes: list[ast.AST]) -> bool:
    """Whether a function without a name is written in one of the statements."""
    if not isinstance(value, FunctionType) or value.__code__.co_name != "<lambda>":
        return False
    line = value.__code__.co_firstlineno
    return any(getattr(node, "lineno", line + 1) <= line <= getattr(node, "end_lineno", 0) for node in nodes)
