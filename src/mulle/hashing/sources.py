"""The project's modules as source: which statement binds which name, parsed once for each state of a file."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import threading
import time
import weakref
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mulle.errors import ProjectError
from mulle.hashing.syntax import References, bound_names, chain_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALLED = {"site-packages", "dist-packages"}
_SKIPPED = {"__pycache__", "node_modules"}
_COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Imported:
    """A name bound by an import: of a module (`name` is None), of a name in it, or of all its names ("*")."""

    origin: str
    name: str | None = None


@dataclass(slots=True)
class Bindings:
    """Everything at a module's top level that decides what one name stands for."""

    definitions: list[ast.AST] = field(default_factory=list)
    statements: list[ast.stmt] = field(default_factory=list)
    imports: list[Imported] = field(default_factory=list)


@dataclass(slots=True)
class Source:
    """One module's source, indexed by the names that it binds."""

    name: str
    path: Path
    is_package: bool
    tree: ast.Module
    names: dict[str, Bindings] = field(default_factory=dict)
    stars: list[Imported] = field(default_factory=list)
    effects: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Statements that bind another name, or none, but may change the object that a name stands for."""
    patches: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Those of them that surely do: `x.a = v`, `x[k] = v`, `@x.register`."""
    rebound: set[str] = field(default_factory=set)
    """Names that functions of the module declare `global`."""
    stamp: tuple[int, int] = (0, 0)
    derived: dict[tuple[int, bool], tuple[bytes, References]] = field(default_factory=dict)
    """What was worked out for a node (by its identity, with docstrings or not); lives as long as the tree."""

    def absolute(self, origin: str) -> str:
        """The absolute name of a module that this one imports as `origin` (leading dots: relative)."""
        level = len(origin) - len(origin.lstrip("."))
        if not level:
            return origin
        parts = self.name.split(".")
        keep = len(parts) - level + (1 if self.is_package else 0)
        return ".".join([*parts[: max(keep, 0)], *([origin[level:]] if origin[level:] else [])])


Stamp = tuple[int, int]
"""A file's modification time in nanoseconds and its size."""

_RACY = 50_000_000
"""Nanoseconds: a file changed so recently may change again without its time showing it, and is read anew."""
_sources: dict[Path, tuple[Stamp, Source]] = {}
_imported: dict[str, tuple[weakref.ref[ModuleType], Stamp]] = {}
_lock = threading.Lock()


def stamp(path: Path) -> Stamp | None:
    """The state of a file; None when it is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def remember(roots: Sequence[Path]) -> None:
    """Note the state of the project's loaded modules, so that an edit made after their import is noticed later.

    Called right after a project is imported. Code is digested from files, and what runs is what was imported.
    """
    for name, module in list(sys.modules.items()):
        path = project_file(module) if isinstance(module, ModuleType) else None
        if path is None or not any(path.is_relative_to(root) for root in roots):
            continue
        known = _imported.get(name)
        state = stamp(path)
        if state is not None and (known is None or known[0]() is not module):
            _imported[name] = (weakref.ref(module), state)


def _check_unchanged(name: str, path: Path, state: Stamp) -> None:
    known = _imported.get(name)
    if known is not None and known[1] != state and known[0]() is sys.modules.get(name):
        raise ProjectError(
            f"the module {name} changed while it was in use",
            cause=f"{path} was edited after it was imported: what runs is not what the file says",
            cure="run again in a new process: mulle run",
        )


def read(name: str, path: Path) -> Source:
    """The indexed source of a module; parsed again only when the file's time or size changed.

    Raises:
        ProjectError: the file cannot be read or is not Python.
    """
    try:
        found = path.stat()
        state = (found.st_mtime_ns, found.st_size)
        _check_unchanged(name, path, state)
        known = _sources.get(path)
        if known is not None and known[0] == state and known[1].name == name:
            return known[1]
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise ProjectError(
            f"the module {name} cannot be read", cause=f"{path}: {error}", cure="mend the file, then run again"
        ) from error
    source = index(name, path, tree)
    source.stamp = state
    if time.time_ns() - state[0] > _RACY:
        with _lock:
            _sources[path] = (state, source)
    return source


def index(name: str, path: Path, tree: ast.Module) -> Source:
    """A module's tree, indexed by the names that it binds."""
    source = Source(name, path, path.name == "__init__.py", tree)
    for statement in tree.body:
        _index(source, statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            source.rebound.update(node.names)
    return source


def _index(source: Source, statement: ast.stmt) -> None:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        _bindings(source, statement.name).definitions.append(statement)
        for decorator in statement.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Attribute) and (root := _root(called)) not in {None, statement.name}:
                source.patches.setdefault(str(root), []).append(statement)
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        _index_import(source, statement)
    elif isinstance(statement, _COMPOUND):
        _index_compound(source, statement)
    else:
        bound = bound_names([statement])
        for name in bound:
            _bindings(source, name).statements.append(statement)
        _index_effects(source, statement, bound)


def _index_import(source: Source, statement: ast.Import | ast.ImportFrom) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            _bindings(source, alias.asname or top).imports.append(Imported(alias.name if alias.asname else top))
        return
    origin = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        if alias.name == "*":
            source.stars.append(Imported(origin, "*"))
        else:
            _bindings(source, alias.asname or alias.name).imports.append(Imported(origin, alias.name))


def _index_compound(source: Source, statement: ast.stmt) -> None:
    test = statement.test if isinstance(statement, ast.If) else None
    if isinstance(test, ast.Compare) and chain_of(test.left) == ("__name__",):
        return  # `if __name__ == "__main__"`: not part of an imported module
    inner = [child for part in ast.iter_child_nodes(statement) for child in _statements(part)]
    for child in inner:
        _index(source, child)
    if (chain_of(test) or ())[-1:] == ("TYPE_CHECKING",) if test is not None else False:
        return
    bound = bound_names([statement])
    for name in bound:
        _bindings(source, name).statements.append(statement)
    _index_effects(source, statement, bound)


def _statements(part: ast.AST) -> list[ast.stmt]:
    if isinstance(part, ast.stmt):
        return [part]
    if isinstance(part, ast.ExceptHandler | ast.match_case):
        return part.body
    return []


def _index_effects(source: Source, statement: ast.stmt, bound: set[str]) -> None:
    """File the statement under the names whose objects it may change: `x[k] = v`, `x.a = v`, `x.f()`, `f(x)`."""
    for node in ast.walk(statement):
        changed: list[ast.AST] = []
        if isinstance(node, ast.Assign | ast.Delete):
            changed = list(node.targets)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            changed = [node.target]
        elif isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            changed = [*([node.func.value] if isinstance(node.func, ast.Attribute) else []), *arguments]
        for target in changed:
            root = _root(target)
            if root is not None and root not in bound:
                source.effects.setdefault(root, []).append(statement)
                if not isinstance(node, ast.Call) and not isinstance(target, ast.Name):
                    source.patches.setdefault(root, []).append(statement)


def _root(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _bindings(source: Source, name: str) -> Bindings:
    return source.names.setdefault(name, Bindings())


def definition(source: Source, qualname: str) -> list[ast.AST]:
    """The functions or classes of a qualified name (`Class.method`, `outer.<locals>.inner`); each of several."""
    level: list[ast.AST] = [source.tree]
    for part in qualname.split("."):
        if part == "<locals>":
            continue
        if part == "<lambda>":
            return [node for outer in level for node in ast.walk(outer) if isinstance(node, ast.Lambda)]
        level = [node for outer in level for node in _nested(outer, part)]
    return level


def _nested(outer: ast.AST, name: str) -> list[ast.AST]:
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(outer):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name == name:
                found.append(child)
        else:
            found += _nested(child, name)
    return found


def find(name: str, roots: Sequence[Path]) -> Path | None:
    """The file of a project module: loaded or not, never imported for the asking; None when it is no project module."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return project_file(loaded)
    relative, top = Path(*name.split(".")), name.partition(".")[0]
    if top == "mulle" or top in sys.stdlib_module_names:
        return None
    for root in [*roots, *_beside(tuple(sys.path))]:
        for candidate in (root / relative.with_suffix(".py"), root / relative / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


@lru_cache(maxsize=16)
def _beside(path: tuple[str, ...]) -> list[Path]:
    """The folders that modules are imported from and that are neither installed nor Python's own."""
    folders = [Path(entry or ".") for entry in path if not entry.endswith(".zip")]
    return [one for one in folders if not _INSTALLED.intersection(one.parts) and not _is_standard(str(one))]


def modules_below(roots: Sequence[Path], beginning: str = "") -> dict[str, Path]:
    """All modules in the project's folders, loaded or not, whose names begin so."""
    found: dict[str, Path] = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [one for one in folders if one not in _SKIPPED | _INSTALLED and one.isidentifier()]
            package = ".".join(Path(folder).relative_to(root).parts)
            for file in names:
                stem = file.removesuffix(".py")
                if stem == file or not stem.isidentifier():
                    continue
                name = package if stem == "__init__" else f"{package}.{stem}".lstrip(".")
                if name and name.startswith(beginning):
                    found.setdefault(name, Path(folder, file))
    return found


def project_file(module: ModuleType) -> Path | None:
    """The Python file of a module that is the user's own: not installed, not Python's, not mulle's."""
    name = module.__name__.partition(".")[0]
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py") or name == "mulle" or name in sys.stdlib_module_names:
        return None
    path = Path(file)
    return None if _INSTALLED.intersection(path.parts) or _is_standard(str(path.parent)) else path


@lru_cache(maxsize=1024)
def _is_standard(folder: str) -> bool:
    return Path(folder).is_relative_to(sysconfig.get_path("stdlib"))
