"""How a worker is started: by which interpreter, in which environment or container, with how many threads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mulle.resources import threads

if TYPE_CHECKING:
    from mulle.pipelines.worker import Place


class Kind(NamedTuple):
    """What a worker is started for: it takes tasks of its own kind only."""

    cpus: int
    env: str = ""
    image: str = ""
    visible: str | None = None
    """The GPUs that it sees, as CUDA_VISIBLE_DEVICES names them; None: as this process sees them."""


def command(kind: Kind, place: Place) -> list[str]:
    """The command of a worker, to which the arguments of `mulle.pipelines.worker.start` are added.

    Raises:
        PipelineError: its environment cannot be built, or there is nothing here that runs its image.
    """
    folder = Path(place.environments or Path(place.workspace) / "environments")
    if kind.image:
        from mulle.pipelines import images  # noqa: PLC0415 - start-up time: few steps have one

        return images.worker(kind.image, place, folder, environment(kind))
    if kind.env:
        from mulle.pipelines import environments  # noqa: PLC0415 - start-up time: few steps have one

        return environments.command(Path(kind.env), folder)
    return [sys.executable, "-P", "-m", "mulle.pipelines.worker"]


def environment(kind: Kind) -> dict[str, str]:
    """The environment variables that hold a worker to its cores and GPUs, and hashes to one order."""
    found = {**threads.environment(kind.cpus), "PYTHONHASHSEED": "0"}
    if kind.visible is not None:
        found |= {"CUDA_VISIBLE_DEVICES": kind.visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return found
