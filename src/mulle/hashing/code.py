"""The digest of a function's code and of all project code that it reaches.

Reached are the functions, classes, module-level values, defaults, decorators and closures that the code names, across
modules and import aliases, and what those name in turn. Comments, formatting and (unless `__doc__` is read) docstrings
do not count. A module used as a whole (`getattr(module, name)`, `globals()`, `eval`) counts as a whole. Installed code
counts by the versions of its distributions and of their requirements.

Names are resolved in the source, not in the running process, so a digest does not depend on what happened to be
imported; only plain values of loaded modules (numbers, text, containers of them) count by value.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from mulle.errors import ProjectError
from mulle.hashing import distributions, sources
from mulle.hashing.alive import Alive, home, says_itself
from mulle.hashing.content import Hasher, digest_bytes, digest_file
from mulle.hashing.plain import plain
from mulle.hashing.syntax import Reference, References, chain_of, encoded, references
from mulle.hashing.value import canonical, digest_value
from mulle.types import Digest

SALT = 2
"""Grows when the same code must get another digest."""

_WIDENING = {"globals", "eval", "exec", "vars", "locals"}


@dataclass(frozen=True, slots=True)
class CodeDigest:
    """A function's code: the digest of everything, the digest of each part by name, the distributions it runs on."""

    digest: Digest
    parts: dict[str, Digest]
    distributions: dict[str, str]
    files: dict[Path, sources.Stamp]
    """The files that were read, as they were."""

    def holds(self) -> bool:
        """Whether the files still are as they were read."""
        return all(sources.stamp(path) == state for path, state in self.files.items())


def code_digest(function: Callable[..., Any], roots: Sequence[Path]) -> CodeDigest:
    """The digest of what `function` runs.

    Args:
        function: a function, method, class or partial.
        roots: the folders that hold the project; code elsewhere is the project's too unless it is installed.

    Raises:
        ProjectError: a reached file cannot be read or parsed.
    """
    reach = _Reach(tuple(roots))
    reach.function(function)
    return reach.result()


@dataclass(slots=True)
class _Part:
    source: sources.Source | None = None
    nodes: list[ast.AST] = field(default_factory=list)
    value: bytes = b""
    links: set[tuple[str, str]] = field(default_factory=set)


class _Reach:
    """The parts reached so far; each is entered before what it names is followed, so cycles end."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._parts: dict[str, _Part] = {}
        self._installed: set[str] = set()
        self._paths: dict[str, Path | None] = {}
        self._modules: dict[str, sources.Source] = {}
        self._reads_docs = False
        self._read: dict[Path, sources.Stamp] = {}
        self._waiting: list[tuple[str, sources.Source, References]] = []
        self._resolving: set[tuple[str, str]] = set()
        """Imported names whose origins are being looked for: one that is met again leads to itself."""
        self._unseen: list[tuple[str, sources.Source, str]] = []
        """Names whose loaded objects are yet to be looked at, each with the part that they belong to."""
        self._alive = Alive(self._enter_code, self._is_own, plain)

    def result(self) -> CodeDigest:
        parts = {name: self._digest(part) for name, part in sorted(self._parts.items())}
        versions = distributions.versions(self._installed - {"mulle"})
        if "mulle" in self._installed:
            versions["mulle"] = distributions.version("mulle")
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        files = {part.source.path: part.source.stamp for part in self._parts.values() if part.source is not None}
        return CodeDigest(digest_value(["code", SALT, python, parts, versions]), parts, versions, files | self._read)

    def function(self, function: Any) -> str:
        """Enter a live function, class or partial; the name of its part."""
        target = self._enter_live(function)
        if isinstance(function, functools.partial | MethodType) or not hasattr(function, "__qualname__"):
            self._parts["(called)"] = _Part(links=set(self._alive.pieces(function)) | {("", target)})
        self._follow()
        return target

    def _find(self, module: str) -> Path | None:
        """The module's file, looked for once; None when it is not the project's."""
        if module not in self._paths:
            self._paths[module] = sources.find(module, self._roots)
        return self._paths[module]

    def _is_own(self, module: str) -> bool:
        """Whether a module is the project's, or was typed in and lies in no file."""
        top = module.partition(".")[0]
        typed = top in sys.modules and getattr(sys.modules[top], "__file__", None) is None
        return self._find(module) is not None or (typed and (top == "__main__" or top not in sys.stdlib_module_names))

    def _source(self, module: str, path: Path) -> sources.Source:
        """The module's source, looked at once."""
        if module not in self._modules:
            self._modules[module] = sources.read(module, path)
        return self._modules[module]

    def _digest(self, part: _Part) -> Digest:
        hasher = Hasher()
        hasher.update(part.value)
        for node in part.nodes:
            assert part.source is not None
            hasher.update(self._derived(part.source, node, docs=self._reads_docs)[0])
        hasher.update(canonical(sorted(map(list, part.links))))
        return hasher.digest()

    def _follow(self) -> None:
        while self._waiting or self._unseen:
            if not self._waiting:
                self._look(*self._unseen.pop())
                continue
            name, source, found = self._waiting.pop()
            part = self._parts[name]
            for reference in sorted(found.names):
                target = self._resolve(source, reference)
                if target:
                    part.links.add((f"{reference.origin}:{'.'.join(reference.chain)}", target))
            for beginning in sorted(found.modules):
                for module, path in sorted(sources.modules_below(self._roots, beginning).items()):
                    part.links.add(("*", self._any(module, path)))

    def _any(self, module: str, path: Path) -> str:
        """Enter a module that may be imported; one that is no Python counts by its bytes."""
        self._paths.setdefault(module, path)
        try:
            return self._module(module)
        except ProjectError:
            return digest_file(path)

    def _look(self, target: str, source: sources.Source, name: str) -> None:
        """Take in what the loaded object of a name holds beside what its source says."""
        module = sys.modules.get(source.name)
        bindings = source.names.get(name)
        if module is None or name not in vars(module) or name in source.rebound or bindings is None:
            return
        nodes = [*bindings.definitions, *bindings.statements]
        decorated = any(self._undecorated(source, node).decorator_list for node in bindings.definitions)  # type: ignore[attr-defined]
        replaced = bool(bindings.definitions) and not bindings.statements and not decorated
        links = self._parts[target].links
        known = {link for _, link in links} if bindings.definitions or all(map(says_itself, nodes)) else set[str]()
        held = self._alive.beside(vars(module)[name], source.name, name, nodes, replaced=replaced)
        links |= {(f"live {label}".strip(), link) for label, link in held if link not in known and link != target}

    # -- live objects ------------------------------------------------------------------------------------------------

    def _enter_live(self, value: Any) -> str:
        if isinstance(value, functools.partial):
            inner = [self._enter_live(value.func), *map(self._live, [*value.args, *value.keywords.items()])]
            return " ".join(inner)
        value = inspect.unwrap(value)
        value = getattr(value, "__func__", value)
        return self._enter_at(value, getattr(value, "__module__", None) or "", getattr(value, "__qualname__", ""))

    def _enter_code(self, value: Any) -> str:
        """Enter a function by where its code is written, whatever it wraps; or a class."""
        return self._enter_at(value, *home(value)) if isinstance(value, FunctionType) else self._enter_live(value)

    def _enter_at(self, value: Any, module: str, qualname: str) -> str:
        path = self._find(module) if module else None
        if path is None:
            return self._foreign(value, module, qualname)
        source = self._source(module, path)
        top, _, rest = qualname.partition(".")
        if not rest and top in source.names:
            return self._name(source, top)
        name = f"{module}:{qualname}"
        nodes = sources.definition(source, qualname)
        if not nodes:
            return self._module(module)
        if qualname.endswith("<lambda>"):
            line = value.__code__.co_firstlineno
            nodes = [node for node in nodes if getattr(node, "lineno", line) == line] or nodes
            said = b"".join(self._derived(source, node, docs=False)[0] for node in nodes)
            name = f"{name} {digest_bytes(said)[3:15]}"
        self._enter(name, source, nodes)
        self._closure(self._parts[name], value)
        return name

    def _foreign(self, value: Any, module: str, qualname: str) -> str:
        """Code without a project file: installed, or typed in (then by its byte code)."""
        top = module.partition(".")[0]
        if isinstance(value, FunctionType) and (not top or getattr(sys.modules.get(top), "__file__", None) is None):
            name = f"{module}:{qualname}"
            self._parts[name] = _Part(value=canonical(_code_values(value.__code__)))
            self._closure(self._parts[name], value)
            return name
        return self._outside(top, f"{module}:{qualname}")

    def _closure(self, part: _Part, value: Any) -> None:
        cells = getattr(value, "__closure__", None) or ()
        names = value.__code__.co_freevars if cells else ()
        for name, cell in zip(names, cells, strict=True):
            try:
                part.links.add((f"closure:{name}", self._live(cell.cell_contents)))
            except ValueError:  # an empty cell
                part.links.add((f"closure:{name}", "empty"))

    def _live(self, value: Any) -> str:
        """What a captured value stands for: its plain value, or the code it is made of."""
        data = plain(value)
        if data is not None:
            return digest_bytes(data)
        if isinstance(value, ModuleType):
            return self._resolve_in(value.__name__, ())
        if callable(value) and hasattr(value, "__qualname__"):
            return self._enter_live(value)
        if isinstance(value, tuple | list):
            return " ".join(map(self._live, value))
        import cloudpickle  # noqa: PLC0415 - start-up time: only closures over arbitrary objects need it

        return f"{self._enter_live(type(value))} {digest_bytes(cloudpickle.dumps(value))}"

    # -- names in source ---------------------------------------------------------------------------------------------

    def _resolve(self, source: sources.Source, reference: Reference) -> str:
        if reference.origin:
            return self._resolve_in(source.absolute(reference.origin), reference.chain)
        return self._resolve_name(source, reference.chain)

    def _resolve_in(self, module: str, chain: tuple[str, ...]) -> str:
        """What a chain of names stands for when it starts at a module."""
        path = self._find(module)
        if path is None:
            if chain and self._find(f"{module}.{chain[0]}") is not None:  # a namespace package
                return self._resolve_in(f"{module}.{chain[0]}", chain[1:])
            return self._outside(module.partition(".")[0], ".".join([module, *chain]))
        source = self._source(module, path)
        if chain and chain[0] in {"__name__", "__file__", "__path__", "__doc__"}:
            return digest_bytes((ast.get_docstring(source.tree) or "").encode()) if chain[0] == "__doc__" else module
        if not chain or chain[0].startswith("__"):
            return self._module(module)
        if chain[0] not in source.names and self._find(f"{module}.{chain[0]}") is not None:
            return self._resolve_in(f"{module}.{chain[0]}", chain[1:])
        return self._resolve_name(source, chain)

    def _resolve_name(self, source: sources.Source, chain: tuple[str, ...]) -> str:
        """What a chain of names stands for when it starts at a module's own names."""
        bindings = source.names.get(chain[0])
        if bindings is None:
            return self._unbound(source, chain)
        if bindings.imports and not bindings.definitions and not bindings.statements and len(bindings.imports) == 1:
            if (value := self._loaded_value(source, chain[0])) is not None:
                return digest_bytes(value)
            return self._imported(source, chain[0], bindings.imports[0], chain[1:])
        return self._name(source, chain[0], chain[1:])

    def _imported(self, source: sources.Source, name: str, bound: sources.Imported, rest: tuple[str, ...]) -> str:
        """What a name stands for that an import binds; one that leads back to itself is a module of its package."""
        origin = source.absolute(bound.origin)
        if origin == source.name and bound.name is not None:  # from . import sub
            inner = f"{origin}.{bound.name}"
            return self._resolve_in(inner, rest) if self._find(inner) is not None else ""
        if (source.name, name) in self._resolving:
            return ""
        self._resolving.add((source.name, name))
        try:
            return self._resolve_in(origin, (*([bound.name] if bound.name else []), *rest))
        finally:
            self._resolving.discard((source.name, name))

    def _unbound(self, source: sources.Source, chain: tuple[str, ...]) -> str:
        name = chain[0]
        if name == "__doc__":
            return digest_bytes((ast.get_docstring(source.tree) or "").encode())
        if hasattr(builtins, name):
            return self._module(source.name) if name in _WIDENING else ""
        for star in source.stars:
            target = self._resolve_in(source.absolute(star.origin), chain)
            if target:
                return target
        if (value := self._loaded_value(source, name)) is not None:
            return digest_bytes(value)
        return self._made(source, name)

    def _made(self, source: sources.Source, name: str) -> str:
        """What a name stands for that no statement binds: `globals()` did, or the module's own `__getattr__` does."""
        live = self._loaded_object(source, name)
        if isinstance(live, FunctionType | type | ModuleType):
            return self._live(live)
        held = " ".join(link for _, link in self._alive.pieces(live))
        if not held and "__getattr__" in source.names:
            return self._name(source, "__getattr__")
        return held

    def _name(self, source: sources.Source, name: str, rest: tuple[str, ...] = ()) -> str:
        """Enter what one name of a module stands for."""
        target = f"{source.name}:{name}"
        bindings = source.names[name]
        if target not in self._parts:
            self._enter_name(target, source, name, bindings)
            if not self._parts[target].value:
                self._unseen.append((target, source, name))
        if "__subclasses__" in rest and isinstance(kind := self._loaded_object(source, name), type):
            self._parts[target].links |= set(self._alive.subclasses(kind))
        if not self._parts[target].value:
            for bound in bindings.imports:
                chain = (*([bound.name] if bound.name else []), *rest)
                link = self._imported(source, name, bound, rest)
                self._parts[target].links.add((".".join(["import", *chain]), link))
        return target

    def _enter_name(self, target: str, source: sources.Source, name: str, bindings: sources.Bindings) -> None:
        value = None if bindings.definitions else self._loaded_value(source, name)
        if value is not None:
            self._parts[target] = _Part(value=value)
            self._read[source.path] = source.stamp
            return
        effects = (source.effects if bindings.statements else source.patches).get(name, ())
        kept = [node for node in effects if not self._declares(source, node)]
        self._enter(target, source, [*bindings.definitions, *bindings.statements, *kept])
        if name in source.rebound:  # by which functions, and when they are called, is not known
            self._parts[target].links.add(("rebound", self._module(source.name)))
            if (data := plain(self._loaded_object(source, name))) is not None:
                self._parts[target].links.add(("value", digest_bytes(data)))

    def _module(self, name: str) -> str:
        """Enter a whole module."""
        path = self._find(name)
        assert path is not None
        if name not in self._parts:
            source = self._source(name, path)
            self._enter(name, source, [source.tree])
            for star in source.stars:
                self._parts[name].links.add(("*", self._resolve_in(source.absolute(star.origin), ())))
            self._unseen += [(name, source, each) for each in source.names]
            for each, bindings in source.names.items():
                if any(
                    bound.name is not None for bound in bindings.imports
                ):  # what it hands on, not what it works with
                    self._parts[name].links.add((f"import {each}", self._resolve_name(source, (each,))))
        return name

    def _enter(self, name: str, source: sources.Source, nodes: Iterable[ast.AST]) -> None:
        if name in self._parts:
            return
        part = self._parts[name] = _Part(source, list({id(node): node for node in nodes}.values()))
        for node in part.nodes:
            found = self._derived(source, node, docs=False)[1]
            self._reads_docs |= found.reads_docs
            self._waiting.append((name, source, found))

    def _derived(self, source: sources.Source, node: ast.AST, *, docs: bool) -> tuple[bytes, References]:
        key = (id(node), docs)
        if key not in source.derived:
            bare = self._undecorated(source, node)
            source.derived[key] = (encoded(bare, docs=docs), references(bare))
        return source.derived[key]

    def _undecorated(self, source: sources.Source, node: ast.AST) -> ast.AST:
        """The definition without mulle's own decorators: what a step may use of the machine is not what it computes."""
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node
        bare = copy.copy(node)
        bare.decorator_list = [each for each in node.decorator_list if not _is_mulle(source, each)]
        return bare

    def _declares(self, source: sources.Source, node: ast.AST) -> bool:
        """Whether the statement only tells mulle something, as `mulle.trigger(…)` does; it changes no value."""
        value = node.value if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign) else None
        return isinstance(value, ast.Call) and _is_mulle(source, value)

    def _loaded_value(self, source: sources.Source, name: str) -> bytes | None:
        """The plain value of a module's name; of a module that is not loaded, only what the source writes out."""
        if name in source.rebound:
            return None
        module = sys.modules.get(source.name)
        if module is None:
            return _written_value(source, name)
        return plain(vars(module)[name]) if name in vars(module) else None

    def _loaded_object(self, source: sources.Source, name: str) -> Any:
        module = sys.modules.get(source.name)
        return None if module is None else vars(module).get(name)

    def _outside(self, top: str, target: str) -> str:
        if top and top not in sys.stdlib_module_names:
            self._installed.add(top)
        return f"installed:{target}"


def _is_mulle(source: sources.Source, node: ast.AST) -> bool:
    chain = chain_of(node.func if isinstance(node, ast.Call) else node)
    bindings = source.names.get(chain[0]) if chain else None
    return bindings is not None and any(bound.origin.partition(".")[0] == "mulle" for bound in bindings.imports)


def _written_value(source: sources.Source, name: str) -> bytes | None:
    bindings = source.names.get(name)
    if bindings is None or len(bindings.statements) != 1 or name in source.effects:
        return None
    statement = bindings.statements[0]
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return None
    try:
        return plain(ast.literal_eval(statement.value))
    except (ValueError, TypeError):
        return None


def _code_values(code: CodeType) -> list[Any]:
    constants = [_code_values(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return [code.co_code, constants, list(code.co_names), list(code.co_varnames)]
