"""Environments of steps: built once by uv from a lock file, named by its digest, shared by all runs.

`<folder>/<digest>/` is a virtual environment of the Python that runs mulle, with what the lock file lists and nothing
else. A worker in it sees, in this order: mulle itself, the environment's packages, and those packages that mulle needs
and the lock file does not list, each as the installation that runs the pipeline has it. The two sets of links for that
lie in `<folder>/mulle-<digest>/`.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mulle.errors import PipelineError
from mulle.hashing import digest_bytes, digest_value
from mulle.types import Digest

_READY = "ready"
_SHORT = 32
_LAST_LINES = 6
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BOOT = (
    "import sys; own, needed = sys.argv[1:3]; sys.path.insert(0, own); sys.path.append(needed); "
    "from mulle.pipelines.worker import start; start(*sys.argv[3:])"
)


class Links(NamedTuple):
    """Folders of links: to mulle alone, and to all that it needs."""

    own: Path
    needed: Path


def digest_of(lock: Path) -> Digest:
    """What the environment of a lock file is known by: its bytes, the version of Python, and the platform.

    Raises:
        PipelineError: there is no such file.
    """
    try:
        content = lock.read_bytes()
    except OSError as error:
        raise PipelineError(
            f"the lock file {lock} cannot be read",
            cause=error.strerror or str(error),
            cure=f"make it: uv pip compile --generate-hashes requirements.in -o {lock}",
        ) from error
    system = f"{sys.platform}-{platform.machine()}"
    return digest_value(["environment", 1, digest_bytes(content), platform.python_version(), system])


def ensure(lock: Path, folder: Path) -> Path:
    """The Python of the environment of a lock file, built first where it is not there; several may ask at once.

    Raises:
        PipelineError: there is no such file, uv is not installed, or uv cannot install what the file lists.
    """
    name = digest_of(lock).removeprefix("b3:")[:_SHORT]
    place = folder / name
    python = place / "bin" / "python"
    if not (place / _READY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f"{name}.lock"):
            if not (place / _READY).exists():
                _build(lock, place, python)
                (place / _READY).write_text(f"{lock.name}\n")
    return python


def command(lock: Path, folder: Path) -> list[str]:
    """The command that starts a worker in the environment of a lock file, but for the worker's own arguments.

    Raises:
        PipelineError: as `ensure`.
    """
    python = ensure(lock, folder)
    links = linked(folder)
    return [str(python), "-P", "-c", _BOOT, str(links.own), str(links.needed)]


def linked(folder: Path) -> Links:
    """The links to mulle and to what it needs, made where they are not there."""
    own = Path(__file__).resolve().parents[1]
    needed = dict(sorted(_needed().items()))
    digest = digest_value(["links", 1, str(own), {name: str(path) for name, path in needed.items()}])
    place = folder / f"mulle-{digest.removeprefix('b3:')[:_SHORT]}"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder, prefix=".links-"))
        for part, links in (("own", {"mulle": own}), ("needed", needed)):
            (made / part).mkdir()
            for name, path in links.items():
                (made / part / name).symlink_to(path)
        try:
            made.rename(place)
        except OSError:  # another process made it meanwhile
            shutil.rmtree(made, ignore_errors=True)
    return Links(place / "own", place / "needed")


def _build(lock: Path, place: Path, python: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)  # of one that was killed meanwhile
    uv = _uv()
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], lock)
    try:
        _run([*uv, "pip", "sync", "--quiet", "--python", str(python), str(lock)], lock)
    except PipelineError:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _run(command: list[str], lock: Path) -> None:
    done = subprocess.run(  # noqa: S603 - uv, and paths of ours
        command, cwd=lock.parent, capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise PipelineError(
            f"the environment of {lock} cannot be built",
            cause="; ".join(said[-_LAST_LINES:]),
            cure=f"mend it, or make it anew: uv pip compile --generate-hashes requirements.in -o {lock}",
        )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}}


def _uv() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is not None:
        return [found]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    raise PipelineError(
        "an environment of a step is built by uv, which is not installed",
        cause="there is no program 'uv' beside Python or on the PATH",
        cure="pip install 'mulle[environments]'",
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within the block no other process is in it; waits for the one that is."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@lru_cache(maxsize=1)
def _needed() -> dict[str, Path]:
    """Name at the top of `sys.path` → where it is, of all that mulle requires."""
    found: dict[str, Path] = {}
    waiting, seen = ["mulle"], set[str]()
    while waiting:
        name = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # for another platform or Python
            continue
        if name != "mulle":
            for file in distribution.files or ():
                top = file.parts[0]
                if top not in {"..", "__pycache__"} and not top.endswith((".pth", ".dist-info")):
                    found[top] = Path(str(distribution.locate_file(top)))
        for requirement in distribution.requires or ():
            match = _REQUIREMENT.match(requirement)
            if match is not None and "extra ==" not in requirement and match[0].lower() not in seen:
                seen.add(match[0].lower())
                waiting.append(match[0])
    return found
