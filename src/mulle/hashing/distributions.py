"""Which installed distributions an import name comes from, their versions, and what they require in turn."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_REQUIREMENT = re.compile(rb"^Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)([^\r\n]*)", re.MULTILINE)
_SUFFIXES = (".dist-info", ".egg-info")


def versions(import_names: Iterable[str]) -> dict[str, str]:
    """Name → version of the distributions that provide these top-level modules, and of all that those require.

    Requirements of extras and such as are not installed are left out. Modules of no distribution are left out too.
    """
    installed = _installed()
    waiting = sorted({name for module in import_names for name in _providers(module)})
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name not in installed:
            continue
        found[name] = installed[name][0]
        waiting += _requirements(str(installed[name][1]))
    return dict(sorted(found.items()))


def normalised(name: str) -> str:
    """A distribution's name by PEP 503, so that `scikit_learn` and `scikit-learn` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> dict[str, tuple[str, Path]]:
    """Name → (version, metadata folder) of what is installed, from the names of the folders alone."""
    found: dict[str, tuple[str, Path]] = {}
    for folder in sys.path:
        path = Path(folder or ".")
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            continue
        for name, entry in _listed(path, stamp).items():
            found.setdefault(name, entry)
    return found


@lru_cache(maxsize=64)
def _listed(folder: Path, stamp: int) -> dict[str, tuple[str, Path]]:  # noqa: ARG001 - the stamp renews the cache
    found: dict[str, tuple[str, Path]] = {}
    if not folder.is_dir():
        return found
    for path in folder.iterdir():
        if path.suffix in _SUFFIXES:
            name, _, version = path.stem.partition("-")
            found[normalised(name)] = (version, path)
    return found


@lru_cache(maxsize=1024)
def _requirements(metadata: str) -> tuple[str, ...]:
    for file in ("METADATA", "PKG-INFO"):
        path = Path(metadata, file)
        if path.is_file():
            head = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
            found = _REQUIREMENT.findall(head)
            return tuple(
                normalised(name.decode()) for name, rest in found if b"extra ==" not in rest.replace(b"'", b'"')
            )
    return ()


def _providers(module: str) -> tuple[str, ...]:
    if module in sys.stdlib_module_names:
        return ()
    installed = _installed()
    name = normalised(module)
    if name in installed and _provides(str(installed[name][1]), module):
        return (name,)
    return tuple(name for name, (_, folder) in installed.items() if _provides(str(folder), module))


@lru_cache(maxsize=8192)
def _provides(metadata: str, module: str) -> bool:
    """Whether the distribution's list of files has the module."""
    wanted = (f"{module}/", f"{module}.py,", f"{module}.cpython", f"{module}.abi3", f"{module}.so")
    try:
        record = Path(metadata, "RECORD").read_text(encoding="utf-8", errors="replace")
    except OSError:
        top = Path(metadata, "top_level.txt")
        return top.is_file() and module in top.read_text(encoding="utf-8", errors="replace").split()
    return any(record.startswith(start) or f"\n{start}" in record for start in wanted)


def version(name: str) -> str:
    """The version of one distribution; empty when it is not installed."""
    return _installed().get(normalised(name), ("", None))[0]
