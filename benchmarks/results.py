"""`benchmarks/RESULTS.md` from what the benchmarks wrote to `benchmarks/out/`: the figures of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import OUT, seconds

RESULTS = Path(__file__).parent / "RESULTS.md"
NOTES = Path(__file__).parent / "NOTES.md"


def write(folder: Path = OUT, path: Path = RESULTS) -> Path:
    """Write the page; a benchmark that did not run is not on it."""
    found = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    lines = [
        "# Figures",
        "",
        "Written by `make bench`. Medians; a ratio is to a baseline measured in the same minutes.",
        "",
    ]
    for one in found:
        if "figures" in one:
            lines += _section(one)
    if NOTES.exists():
        lines += [NOTES.read_text(encoding="utf-8")]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def _section(one: dict[str, Any]) -> list[str]:
    machine, versions = one["machine"], one["versions"]
    used = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    lines = [f"## {one['benchmark']}", ""]
    lines += [
        "| figure | n | wall | CPU | baseline | ratio (wall, CPU) | budget | note |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(figure) for figure in one["figures"]]
    memory = machine["memory_bytes"] / 2**30
    return [
        *lines,
        "",
        f"{one['at']}, {machine['cpus']} cores of {machine['processor']}, {memory:.0f} GiB; {used}.",
        "",
    ]


def _row(figure: dict[str, Any]) -> str:
    ratio = f"{figure['wall_ratio']:.2f}, {figure['cpu_ratio']:.2f}" if figure["wall_ratio"] else ""
    budget = ""
    if figure["budget"] is not None:
        limit = f"{figure['budget']:.2f}x" if figure["measure"].endswith("ratio") else seconds(figure["budget"])
        budget = f"{figure['measure']} ≤ {limit}: {'met' if figure['met'] else 'exceeded'}"
    cells = [
        figure["name"],
        str(figure["n"]),
        seconds(figure["wall"]),
        seconds(figure["cpu"]),
        figure["baseline"],
        ratio,
    ]
    return "| " + " | ".join([*cells, budget, figure.get("note", "")]) + " |"


if __name__ == "__main__":
    print(write())
