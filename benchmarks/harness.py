"""A small measuring bench: median of n, wall and CPU seconds, the ratio to something else measured in the same minutes.

A subject is a command (its CPU seconds are those of the child and its children) or a function of this process. A
comparison takes turns with its baseline (A B A B …), so that a machine that slows down slows both. Results are JSON in
`benchmarks/out/`, with the machine and the versions they were measured with.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

OUT = Path(__file__).parent / "out"
LIBRARIES = (
    "mulle",
    "polars",
    "pyarrow",
    "numpy",
    "scikit-learn",
    "lightgbm",
    "onnxruntime",
    "sqlalchemy",
    "uvicorn",
    "fastapi",
)


class Cost(msgspec.Struct, frozen=True):
    """What one call cost, in seconds."""

    wall: float
    cpu: float


Subject = Callable[[], Cost]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure: medians over `n` calls; `unit` says how many things one call does."""

    name: str
    n: int
    wall: float
    cpu: float
    wall_low: float
    wall_high: float
    baseline: str = ""
    baseline_wall: float | None = None
    baseline_cpu: float | None = None
    wall_ratio: float | None = None
    cpu_ratio: float | None = None
    bytes_ratio: float | None = None
    budget: float | None = None
    measure: str = "wall"
    met: bool | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """The number that the budget speaks of."""
        values = {"wall": self.wall, "cpu": self.cpu, "wall_ratio": self.wall_ratio, "cpu_ratio": self.cpu_ratio}
        values["bytes_ratio"] = self.bytes_ratio
        values["wall_over"] = self.wall - (self.baseline_wall or 0.0)
        found = values[self.measure]
        assert found is not None
        return found


def command(
    arguments: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Subject:
    """A command, which must succeed."""
    words = [str(word) for word in arguments]
    settings = {**os.environ, **(env or {})}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start finds everything compiled

    def call() -> Cost:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(words, cwd=cwd, env=settings, capture_output=True, check=False)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} exits with {done.returncode}: {done.stderr.decode()[-2000:]}")
        return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return call


def function(call: Callable[[], Any], *, unit: int = 1) -> Subject:
    """A function of this process; one call does `unit` things, and the cost is that of one."""

    def measured() -> Cost:
        cpu, start = time.process_time(), time.perf_counter()
        call()
        return Cost((time.perf_counter() - start) / unit, (time.process_time() - cpu) / unit)

    return measured


def measure(
    name: str,
    subject: Subject,
    *,
    n: int = 9,
    warm_up: int = 1,
    baseline: tuple[str, Subject] | None = None,
    budget: float | None = None,
    of: str = "wall",
    note: str = "",
) -> Figure:
    """The medians of `n` calls, beside those of the baseline.

    Args:
        name: what is measured.
        subject: made by `command` or `function`.
        n: how often.
        warm_up: calls that are not counted.
        baseline: a name and a subject to compare with.
        budget: what may not be exceeded.
        of: what the budget limits: "wall", "cpu", "wall_ratio", "cpu_ratio", or "wall_over" (beyond the baseline).
        note: what the reader should know.
    """
    subjects = [subject] if baseline is None else [subject, baseline[1]]
    for _ in range(warm_up):
        for each in subjects:
            each()
    gc.collect()
    costs: list[list[Cost]] = [[] for _ in subjects]
    for _ in range(n):
        for each, found in zip(subjects, costs, strict=True):
            found.append(each())
    figure = _figure(name, costs, baseline[0] if baseline else "", note)
    if budget is None:
        return figure
    figure = msgspec.structs.replace(figure, budget=budget, measure=of)
    return msgspec.structs.replace(figure, met=figure.value <= budget)


def _figure(name: str, costs: list[list[Cost]], baseline: str, note: str) -> Figure:
    walls, cpus = [cost.wall for cost in costs[0]], [cost.cpu for cost in costs[0]]
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    ordinary = Figure(
        name=name,
        n=len(walls),
        wall=wall,
        cpu=cpu,
        wall_low=min(walls),
        wall_high=max(walls),
        baseline=baseline,
        note=note,
    )
    if len(costs) == 1:
        return ordinary
    wall_there = statistics.median(cost.wall for cost in costs[1])
    cpu_there = statistics.median(cost.cpu for cost in costs[1])
    return msgspec.structs.replace(
        ordinary,
        baseline_wall=wall_there,
        baseline_cpu=cpu_there,
        wall_ratio=wall / wall_there if wall_there else None,
        cpu_ratio=cpu / cpu_there if cpu_there else None,
    )


def publish(name: str, figures: Sequence[Figure], **extra: Any) -> Path:
    """Print the figures and write them to `benchmarks/out/<name>.json`."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    found = {"benchmark": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), **where(), **extra}
    found["figures"] = [msgspec.to_builtins(figure) for figure in figures]
    path.write_text(json.dumps(found, indent=2) + "\n")
    for figure in figures:
        print(line(figure))
    return path


def line(figure: Figure) -> str:
    """A figure for people."""
    parts = [f"{figure.name:<44} wall {seconds(figure.wall):>9}  cpu {seconds(figure.cpu):>9}"]
    if figure.wall_ratio is not None and figure.cpu_ratio is not None:
        parts.append(f"{figure.wall_ratio:.2f}x wall, {figure.cpu_ratio:.2f}x cpu of {figure.baseline}")
    if figure.budget is not None:
        shown = f"{figure.value:.2f}" if figure.measure.endswith("ratio") else seconds(figure.value)
        limit = f"{figure.budget:.2f}" if figure.measure.endswith("ratio") else seconds(figure.budget)
        parts.append(f"{'ok' if figure.met else 'OVER'}: {figure.measure} {shown} of {limit}")
    return "  ".join(parts)


def seconds(value: float) -> str:
    """A time in the unit that reads best."""
    for limit, unit, factor in ((1e-3, "us", 1e6), (1.0, "ms", 1e3)):
        if abs(value) < limit:
            return f"{value * factor:.1f} {unit}"
    return f"{value:.2f} s"


def where() -> dict[str, Any]:
    """The machine and the versions."""
    return {
        "machine": {
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "processor": _processor(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "platform": platform.platform(),
        },
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for text in path.read_text().splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


PYTHON = Path(sys.executable)
MULLE = PYTHON.parent / "mulle"
