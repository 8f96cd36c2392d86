"""What a person waits for at the prompt: `mulle --version`, `--help`, `import mulle`, a run with nothing to do."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import MULLE, PYTHON, Figure, command, measure, publish


def main() -> list[Figure]:
    """Measure and publish."""
    bare = ("python -c pass", command([PYTHON, "-c", "pass"]))
    figures = [
        measure("mulle --version", command([MULLE, "--version"]), n=15, baseline=bare, budget=0.15),
        measure("mulle --help", command([MULLE, "--help"]), n=9, baseline=bare, budget=0.25),
        measure("import mulle", command([PYTHON, "-c", "import mulle"]), n=15, baseline=bare, budget=0.25),
    ]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "bicycles"
        command([MULLE, "init", project])()
        command([MULLE, "-C", project, "run", "--json"])()
        imported = ("importing the project", command([PYTHON, "-c", "import project"], cwd=project))
        again = command([MULLE, "-C", project, "run", "--json"])
        figures.append(
            measure(
                "mulle run, all memoised",
                again,
                n=9,
                baseline=imported,
                budget=0.5,
                of="wall_over",
                note="sample project",
            )
        )
    publish("startup", figures)
    return figures


if __name__ == "__main__":
    main()
