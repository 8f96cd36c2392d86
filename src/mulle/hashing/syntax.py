"""What a piece of Python source says, apart from comments, formatting and docstrings, and what it refers to.

Pure functions on syntax trees. `encoded` gives canonical bytes of a tree; `references` gives the names that it takes
from outside itself, as dotted chains (`helpers.scale` is one reference, not two).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Chain: TypeAlias = tuple[str, ...]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOADING = {("run_path",), ("run_module",), ("spec_from_file_location",), ("exec_module",), ("iter_modules",)}
"""Calls by whose ends of names any module may be run."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DOCUMENTED = (*_DEFINITIONS, ast.Module)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name taken from outside: from the module's own names (`origin` is empty) or from a module imported on the spot.

    An empty chain means the whole origin module; relative origins keep their leading dots.
    """

    chain: Chain
    origin: str = ""


@dataclass(slots=True)
class References:
    """All that a tree takes from outside itself."""

    names: set[Reference] = field(default_factory=set)
    reads_docs: bool = False
    modules: set[str] = field(default_factory=set)
    """How the computed names begin by which it imports modules; "" for modules of any name."""


def encoded(node: ast.AST, *, docs: bool = False) -> bytes:
    """Canonical bytes of a syntax tree: equal for sources that differ only in comments, formatting and docstrings.

    With `docs`, docstrings count.
    """
    parts: list[str] = []
    _encode(node, parts, docs=docs)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _encode(node: object, into: list[str], *, docs: bool) -> None:
    if isinstance(node, ast.AST):
        into.append(f"({type(node).__name__}")
        for name in node._fields:
            if name in {"type_comment", "kind", "ctx"}:
                continue
            value = getattr(node, name, None)
            if name == "body" and not docs and isinstance(node, _DOCUMENTED) and _has_docstring(node):
                value = node.body[1:]
            into.append(" ")
            _encode(value, into, docs=docs)
        into.append(")")
    elif isinstance(node, list):
        into.append("[")
        for item in node:
            _encode(item, into, docs=docs)
            into.append(",")
        into.append("]")
    else:
        into.append(f"{type(node).__name__}:{node!r}")


def _has_docstring(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    if not body or not isinstance(body[0], ast.Expr):
        return False
    value = body[0].value
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def references(node: ast.AST) -> References:
    """What the tree takes from outside itself; names that it binds in its own functions do not count."""
    walker = _Walker()
    walker.visit(node)
    return walker.found


def bound_names(statements: list[ast.stmt]) -> set[str]:
    """The names that statements bind in their own scope (not in functions and classes inside them)."""
    found: set[str] = set()
    for statement in statements:
        for node in _own_scope(statement):
            found.update(_binds(node))
    return found


def _own_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is under it, down to but not into inner scopes."""
    yield node
    if isinstance(node, (*_DEFINITIONS, ast.Lambda)):
        return
    inner = _COMPREHENSIONS
    for child in ast.iter_child_nodes(node):
        if isinstance(child, inner):
            yield from (walrus for walrus in ast.walk(child) if isinstance(walrus, ast.NamedExpr))
        else:
            yield from _own_scope(child)


def _binds(node: ast.AST) -> set[str]:  # noqa: PLR0911 - one line for each way to bind a name
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return {name}
        case ast.NamedExpr(target=ast.Name(id=name)):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names):
            return {alias.asname or alias.name.partition(".")[0] for alias in names}
        case ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names if alias.name != "*"}
        case ast.ExceptHandler(name=str(name)):
            return {name}
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return {name}
        case _:
            return set()


@dataclass(slots=True)
class _Scope:
    bound: set[str]
    imported: dict[str, Reference]


class _Walker(ast.NodeVisitor):
    """Walks a tree with a stack of function scopes; class bodies bind nothing for the functions in them."""

    def __init__(self) -> None:
        self.found = References()
        self._scopes: list[_Scope] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._name((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "__doc__":
            self.found.reads_docs = True
        chain = chain_of(node)
        if chain is None:
            self.generic_visit(node)
        else:
            self._name(chain)

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value == "__doc__":
            self.found.reads_docs = True

    def visit_Call(self, node: ast.Call) -> None:
        chain = chain_of(node.func) or ()
        if chain[-1:] in {("import_module",), ("__import__",)}:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and len(node.args) == 1:
                self.found.names.add(Reference((), first.value))
            else:
                self.found.modules.add(_beginning(first))
        elif chain[-1:] in _LOADING:
            self.found.modules.add("")
        elif chain[-1:] == ("getdoc",):
            self.found.reads_docs = True
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def visit_Import(self, node: ast.Import) -> None:
        if not self._scopes:
            return
        for alias in node.names:
            self.found.names.add(Reference((), alias.name) if alias.asname else Reference(("__name__",), alias.name))
            name = alias.asname or alias.name.partition(".")[0]
            origin = alias.name if alias.asname else name
            self._scopes[-1].imported[name] = Reference((), origin)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not self._scopes:
            return
        origin = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.found.names.add(Reference((), origin))
            else:
                target = Reference((alias.name,), origin)
                self.found.names.add(target)
                self._scopes[-1].imported[alias.asname or alias.name] = target

    def visit_Global(self, node: ast.Global) -> None:
        self.found.names.update(Reference((name,)) for name in node.names)

    def _function(self, node: Function) -> None:
        outside: list[ast.AST] = [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra is not None]
        outside += [argument.annotation for argument in arguments if argument.annotation is not None]
        if not isinstance(node, ast.Lambda):
            outside += [*node.decorator_list, *([node.returns] if node.returns is not None else [])]
        for part in outside:
            self.visit(part)
        body: list[ast.stmt] = [ast.Expr(node.body)] if isinstance(node, ast.Lambda) else node.body
        declared = {name for part in body for inner in _own_scope(part) for name in _declared(inner)}
        bound = (bound_names(body) | {argument.arg for argument in arguments}) - declared
        self._within(_Scope(bound, {}), body)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        targets = [inner for part in node.generators for inner in ast.walk(part.target)]
        bound = {name.id for name in targets if isinstance(name, ast.Name)}
        rest: list[ast.AST] = [*([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])]
        for number, part in enumerate(node.generators):
            rest += [*([part.iter] if number else []), *part.ifs, part.target]
        self._within(_Scope(bound, {}), rest)

    def _within(self, scope: _Scope, parts: list[ast.stmt] | list[ast.AST]) -> None:
        self._scopes.append(scope)
        imports = [node for part in parts for node in _own_scope(part) if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in imports:  # before the rest: a use may stand above the import in a loop
            self.visit(node)
        for part in parts:
            self.visit(part)
        self._scopes.pop()

    def _name(self, chain: Chain) -> None:
        for scope in reversed(self._scopes):
            if chain[0] in scope.imported:
                base = scope.imported[chain[0]]
                self.found.names.add(Reference(base.chain + chain[1:], base.origin))
                return
            if chain[0] in scope.bound:
                return
        if chain[:2] == ("sys", "modules"):
            self.found.modules.add("")
        self.found.names.add(Reference(chain))


def _beginning(name: ast.expr | None) -> str:
    """How a computed text surely begins: `f"plugins.{x}"`, `"plugins." + x`, `"plugins.%s" % x`."""
    if isinstance(name, ast.Constant):
        return name.value if isinstance(name.value, str) else ""
    if isinstance(name, ast.JoinedStr):
        return _beginning(name.values[0]) if name.values else ""
    if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Add):
        return _beginning(name.left)
    if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Mod):
        return _beginning(name.left).partition("%")[0]
    return ""


def _declared(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, ast.Global | ast.Nonlocal) else []


def chain_of(node: ast.AST) -> Chain | None:
    """`a.b.c` as ("a", "b", "c"); None for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None
