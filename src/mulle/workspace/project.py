"""The user's project: its code imported once, its definitions collected, its version named by a digest."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mulle.config import Settings
from mulle.definitions import Definitions, collecting
from mulle.errors import MulleError, ProjectError
from mulle.hashing import digest_file, digest_value
from mulle.resources.threads import wait_passively
from mulle.types import Digest

SKIPPED = {".mulle", ".venv", ".git", "__pycache__", "node_modules"}


@dataclass(frozen=True)
class Project:
    """A project's name, root folder, module and what it defines."""

    name: str
    root: Path
    module: str
    definitions: Definitions
    digest: Digest

    def one_pipeline(self, name: str = "") -> Any:
        """The pipeline of that name; the only one when no name is given.

        Raises:
            ProjectError: no name was given and there is not exactly one.
            UnknownNameError: there is no pipeline of that name.
        """
        pipelines = self.definitions.all("pipeline")
        if name:
            return self.definitions.get("pipeline", name)
        if len(pipelines) != 1:
            cause = f"the project defines {len(pipelines)}: {', '.join(pipelines)}" if pipelines else "it defines none"
            raise ProjectError("which pipeline?", cause=cause, cure="name one: mulle run PIPELINE")
        return next(iter(pipelines.values()))


def load(settings: Settings) -> Project:
    """Import the project that `settings` name and collect its definitions.

    Raises:
        ProjectError: the module is missing or its import failed; the message shows the user's own line.
    """
    root, file = settings.root, module_file(settings)
    if not file.exists():
        raise ProjectError(
            f"there is no {file.name} in {root}",
            cause=f"mulle.toml names the module '{settings.module}'",
            cure='write it, or set [project] module = "…" in mulle.toml',
        )
    _forget_other_projects(root)
    # First, whatever was loaded before: another project may have modules of the same names.
    sys.path[:] = [str(root), *(entry for entry in sys.path if entry != str(root))]
    wait_passively()
    with collecting() as definitions:
        try:
            importlib.import_module(settings.module)
        except MulleError:
            raise
        except Exception as error:
            raise _import_error(error, root) from error
    return Project(settings.project, root, settings.module, definitions, version_digest(root))


def version_digest(root: Path) -> Digest:
    """The project version: its Python files, `mulle.toml` and lock files by relative path and content."""
    return digest_value([[path.relative_to(root).as_posix(), digest_file(path)] for path in sorted(_files(root))])


def version_stamp(root: Path) -> frozenset[tuple[str, int, int]]:
    """Something that is cheap to ask for and differs whenever the project version does: names, sizes, times."""
    found = []
    for path in _files(root):
        with suppress(FileNotFoundError):  # an editor replaces files while they are looked at
            state = path.stat()
            found.append((str(path), state.st_size, state.st_mtime_ns))
    return frozenset(found)


def module_file(settings: Settings) -> Path:
    """Where the project's module is; a workspace that only tracks has none."""
    return settings.root / (settings.module.replace(".", "/") + ".py")


def _files(root: Path) -> Iterator[Path]:
    """The files that make a project version."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        at_root = Path(folder) == root
        for name in names:
            if name.endswith(".py") or (at_root and (name == "mulle.toml" or name.endswith(".lock"))):
                yield Path(folder, name)


def _forget_other_projects(root: Path) -> None:
    """Drop modules whose names this project's files also have, so that one process may load several projects.

    The project's own modules are dropped too: its definitions are made by importing it anew.
    """
    names = {path.stem for path in root.glob("*.py")} | {path.parent.name for path in root.glob("*/__init__.py")}
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _import_error(error: BaseException, root: Path) -> ProjectError:
    """The failure of a project's import, told from the user's innermost line."""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    else:
        where = _user_line(error.__traceback__, root)
    cure = "mend that line"
    if isinstance(error, ModuleNotFoundError):
        cure = f"install it (pip install {error.name}), or mend the import"
    return ProjectError(
        f"the project does not import: {type(error).__name__}: {error}",
        cause=where or None,
        cure=f"{cure}; see --debug",
    )


def _user_line(trace: TracebackType | None, root: Path) -> str:
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(root)]
    if not frames:
        return ""
    last = frames[-1]
    source = linecache.getline(last.filename, last.lineno or 0).strip()
    return f"{last.filename}:{last.lineno}: {source}"
