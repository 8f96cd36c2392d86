"""Commands and workers in containers of OCI images, by podman where it is installed.

What runs in the container sees the paths that it would see outside: its folder, and the project, read-only. It belongs
to the step's family as any child does, so that it ends with the step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from mulle.errors import PipelineError
from mulle.pipelines import family

_PASSED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", family.MARK)


def command(image: str, inner: Sequence[str], folder: Path, root: Path) -> list[str]:
    """The command that runs another one in a container of an image.

    Args:
        image: the image's name.
        inner: what runs in the container.
        folder: where it runs, and may write; what links in it lead to is there too.
        root: the project's folder.

    Raises:
        PipelineError: podman is not installed.
    """
    readable = [root, *_targets(folder)]
    outside = [path for path in dict.fromkeys(readable[1:]) if not path.is_relative_to(root)]
    return [*runtime(), *mounts([folder], [root, *outside]), "--workdir", str(folder), image, *inner]


def runtime() -> list[str]:
    """The beginning of every command that runs a container.

    Raises:
        PipelineError: podman is not installed.
    """
    podman = shutil.which("podman")
    if podman is None:
        raise PipelineError(
            "a step in an image is run by podman, which is not installed",
            cause="there is no program 'podman' on the PATH",
            cure="install it (Debian: apt-get install podman), or run the step without image=",
        )
    own = [] if os.geteuid() == 0 else ["--userns=keep-id"]
    passed = [f"--env={name}" for name in _PASSED if name in os.environ]
    return [podman, "run", "--rm", "--pid=host", *own, *passed]


def mounts(writable: Iterable[Path], readable: Iterable[Path]) -> list[str]:
    """Options that show folders and files in the container at their own paths."""
    return [
        *(f"--volume={path}:{path}" for path in writable),
        *(f"--volume={path}:{path}:ro" for path in readable),
    ]


def _targets(folder: Path) -> list[Path]:
    return [path.resolve() for path in sorted(folder.rglob("*")) if path.is_symlink()]
