"""How a worker is started: by which interpreter, in which environment or container, with how many threads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mulle.pipelines.worker import Place

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


class Kind(NamedTuple):
    """What a worker is started for: it takes tasks of its own kind only."""

    cpus: int
    env: str = ""
    image: str = ""


def command(kind: Kind, place: Place) -> list[str]:
    """The command of a worker, to which the arguments of `mulle.pipelines.worker.start` are added.

    Raises:
        PipelineError: its environment cannot be built, or there is nothing here that runs its image.
    """
    if kind.env:
        from mulle.pipelines import environments  # noqa: PLC0415 - start-up time: few steps have one

        folder = Path(place.environments or Path(place.workspace) / "environments")
        return environments.command(Path(kind.env), folder)
    return [sys.executable, "-P", "-m", "mulle.pipelines.worker"]


def environment(cpus: int) -> dict[str, str]:
    """The environment variables that hold the numeric libraries to so many cores, and hashes to one order."""
    limits = {f"{name}_NUM_THREADS": str(cpus) for name in _THREADS}
    return {**limits, "POLARS_MAX_THREADS": str(cpus), "PYTHONHASHSEED": "0"}
