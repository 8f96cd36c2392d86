"""`python -m benchmarks [NAME …]`: run the benchmarks and write their figures to benchmarks/out/ and RESULTS.md."""

from __future__ import annotations

import importlib
import sys

from benchmarks.results import write

BENCHMARKS = (
    "startup",
    "steps",
    "engines",
    "handoff",
    "graphs",
    "tables",
    "versions",
    "files",
    "remotes",
    "serving",
    "cluster",
    "tuning",
    "automl",
    "demo",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, all by default; 1 when a budget is exceeded."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark '{unknown[0]}'; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    exceeded = []
    for name in names or BENCHMARKS:
        print(f"{name}:")
        figures = importlib.import_module(f"benchmarks.{name}").main()
        exceeded += [figure.name for figure in figures if figure.met is False]
    print(write())
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
