"""How often the counted tests repeat: little in `make test`, much in `make soak`, which writes what it did down."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mulle.resources import machine

counted: dict[str, int] = {}
"""The full count of each test module that asked for one, by the module's file name."""


def soaking() -> bool:
    """Whether the full counts run: the environment says MULLE_SOAK=1."""
    return os.environ.get("MULLE_SOAK") == "1"


def repeat(reduced: int, full: int) -> int:
    """`reduced`, or `full` when the environment says MULLE_SOAK=1."""
    if not soaking():
        return reduced
    asking = Path(sys._getframe(1).f_code.co_filename)  # noqa: SLF001 - who asks is what the report names
    key = f"{_short(str(asking))}:{sys._getframe(1).f_lineno}"  # noqa: SLF001
    counted[key] = full
    return full


@dataclass
class Tally:
    """What one test module did: its cases, those that failed, and the seconds they took."""

    cases: int = 0
    failed: int = 0
    seconds: float = 0.0
    names: set[str] = field(default_factory=set)


class Report:
    """The table that `make soak` writes. Modules that did not run this time keep the rows that they have."""

    def __init__(self, of: str = "") -> None:
        """An empty report.

        Args:
            of: the commit and the day that the rows are of.
        """
        self._of = of
        self._tallies: dict[str, Tally] = defaultdict(Tally)
        self._counts: dict[str, int] = {}

    def add(self, test: str, seconds: float, *, failed: bool) -> None:
        """Count one case of a test, named as pytest does (`path::name[parameter]`)."""
        path, _, name = test.partition("::")
        tally = self._tallies[_short(path)]
        tally.cases += 1
        tally.failed += failed
        tally.seconds += seconds
        tally.names.add(name.partition("[")[0])

    def count(self, counts: Mapping[str, int]) -> None:
        """Take over the full counts that a process's tests asked for."""
        self._counts |= counts

    def write(self, path: Path) -> None:
        """Write the report; nothing where no test ran."""
        if not self._tallies:
            return
        rows = _rows(path) | {module: self._row(module) for module in self._tallies}
        lines = [*_head(), *(row for _, row in sorted(rows.items()))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _row(self, module: str) -> str:
        tally = self._tallies[module]
        counts = [full for key, full in sorted(self._counts.items()) if key.rpartition(":")[0] == module]
        told = ", ".join(f"{full:,}" for full in counts)
        names = ", ".join(sorted(name.removeprefix("test_") for name in tally.names))
        cells = [module, names, tally.cases, told, tally.failed, f"{tally.seconds:.0f}", self._of]
        return f"| {' | '.join(map(str, cells))} |"


def _head() -> Iterable[str]:
    here = machine()
    yield "# Soak"
    yield ""
    yield "Every counted test at its full count, written by `make soak`; a part of it renews its own rows."
    yield f"Machine: {here.cpus} cores, {here.memory_bytes / 2**30:.0f} GiB, {here.platform}, Python {here.python}."
    yield ""
    yield "| test module | tests | cases | full counts | failed | seconds | of |"
    yield "|---|---|---:|---:|---:|---:|---|"


def _rows(path: Path) -> dict[str, str]:
    """The rows of a report that is there, by their module."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {
        line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ") and ".py |" in line
    }


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])
