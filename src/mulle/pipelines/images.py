"""Commands and workers in containers of OCI images, by podman where it is installed.

What runs in a container sees what it needs at the paths that it has outside: its folder or the workspace, and the
project, which it cannot change. It belongs to the step's family as any child does, so that it ends with the step; what
podman itself needs to clean up afterwards does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.errors import PipelineError
from mulle.hashing import digest_value
from mulle.pipelines import environments, family
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.pipelines.worker import Place

_LAST_LINES = 3
_START = f'mark=${family.MARK}; unset {family.MARK}; exec "$0" run --env "{family.MARK}=$mark" "$@"'
_BOOT = (
    "import sys; own, needed, wanted = sys.argv[1:4]; have = '%d.%d' % sys.version_info[:2]; "
    "sys.exit(f'the image has Python {have}, and mulle runs on {wanted}') if have != wanted else None; "
    "sys.path.insert(0, own); sys.path.append(needed); "
    "from mulle.pipelines.worker import start; start(*sys.argv[4:])"
)


def digest_of(image: str) -> Digest:
    """What an image is known by: its own id, whatever its name stands for today. It is pulled where it is not here.

    Raises:
        PipelineError: podman is not installed, or there is no such image.
    """
    ask = [_podman(), "image", "inspect", "--format", "{{.Id}}", image]
    found = _run(ask)
    if found.returncode:
        pulled = _run([_podman(), "pull", "--quiet", image])
        found = _run(ask)
        if found.returncode:
            said = [line.strip() for line in pulled.stderr.splitlines() if line.strip()]
            raise PipelineError(
                f"there is no image '{image}'",
                cause="; ".join(said[-_LAST_LINES:]) or "podman does not know it",
                cure=f"see what there is: podman images; or build it: podman build -t {image} .",
            )
    return digest_value(["image", found.stdout.strip()])


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
    linked = [path.resolve() for path in sorted(folder.rglob("*")) if path.is_symlink()]
    outside = [path for path in dict.fromkeys(linked) if not path.is_relative_to(root)]
    passed = [name for name in os.environ if name.endswith("_NUM_THREADS")]
    return [*_begin([folder], [root, *outside], passed), "--workdir", str(folder), image, *inner]


def worker(image: str, place: Place, folder: Path, passed: Iterable[str]) -> list[str]:
    """The command of a worker in a container of an image, which has a Python of this version; its pipes are 3, 4, 5.

    Args:
        image: the image's name.
        place: where the project and the workspace are.
        folder: where links for environments are kept.
        passed: names of environment variables that are given to it.

    Raises:
        PipelineError: podman is not installed.
    """
    links = environments.linked(folder)
    behind = {path.resolve().parent for links in links for path in links.iterdir()}
    shown = [Path(place.root), folder, *sorted(behind)]
    begin = _begin([Path(place.workspace)], shown, passed)
    python = ["python3", "-P", "-c", _BOOT, str(links.own), str(links.needed)]
    return [*begin, "--preserve-fds=3", image, *python, f"{sys.version_info.major}.{sys.version_info.minor}"]


def _begin(writable: Sequence[Path], readable: Sequence[Path], passed: Iterable[str]) -> list[str]:
    """The beginning of a command that runs a container, with folders and files at their own paths."""
    own = [] if os.geteuid() == 0 else ["--userns=keep-id"]
    kept = [path for path in dict.fromkeys(readable) if not any(path.is_relative_to(each) for each in writable)]
    mounts = [*(f"--volume={path}:{path}" for path in writable), *(f"--volume={path}:{path}:ro" for path in kept)]
    # a project around its workspace comes first, or it would hide it
    mounts.sort(key=lambda mount: len(mount.split(":")[0]))
    names = [f"--env={name}" for name in dict.fromkeys(passed)]
    return ["sh", "-c", _START, _podman(), "--rm", "--pid=host", *own, *names, *mounts]


def _podman() -> str:
    found = shutil.which("podman")
    if found is None:
        raise PipelineError(
            "a step in an image is run by podman, which is not installed",
            cause="there is no program 'podman' on the PATH",
            cure="install it (Debian: apt-get install podman), or run the step without image=",
        )
    return found


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - podman, by its path
