"""Podman for tests, with images made of this machine's own files; nothing is fetched.

`scripts/install_containers.sh` installs it (Debian: podman, runc). An image is there in half a second.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_WHEELS = (
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libm.so.6",
    "libutil.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
)
_FOLDERS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/lib/aarch64-linux-gnu")
_LIBRARY = re.compile(r"(/\S+)")


def installed() -> bool:
    """Whether containers can be run here."""
    return os.geteuid() == 0 and all(map(shutil.which, ("podman", "runc")))


def configuration(folder: Path) -> Path:
    """A configuration with which podman works in small machines too, to be named by CONTAINERS_CONF."""
    most = subprocess.run(["sh", "-c", "ulimit -Hn"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607
    path = folder / "containers.conf"
    path.write_text(
        f'[containers]\ndefault_ulimits = ["nofile={most}:{most}", "nproc=1000:1000"]\nnetns = "host"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n'
    )
    return path


def make_image(name: str, folder: Path, programs: Iterable[str], *, python: bool = False) -> None:
    """Make an image of programs of this machine, with the libraries that they need, and with `sh`.

    Args:
        name: what the image is called.
        folder: where its files are gathered.
        programs: their names.
        python: whether it has this Python too, as `python3`.
    """
    root = folder / "root"
    for each in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr/bin"):
        (root / each).mkdir(parents=True, exist_ok=True)
    for program in ("sh", *programs):
        found = shutil.which(program)
        if found is None:
            raise RuntimeError(f"there is no program '{program}' here")
        _take(root, Path(found).resolve(), root / "bin" / program)
    if python:
        _take_python(root)
    archive = folder / "root.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)  # noqa: S603, S607
    subprocess.run(["podman", "import", "--quiet", str(archive), name], check=True, capture_output=True)  # noqa: S603, S607


def remove_image(name: str) -> None:
    """Delete an image, and those that lost its name."""
    subprocess.run(["podman", "rmi", "--force", name], check=False, capture_output=True)  # noqa: S603, S607
    subprocess.run(["podman", "image", "prune", "--force"], check=False, capture_output=True)  # noqa: S607


def _take_python(root: Path) -> None:
    """The interpreter at its own place, with its library but for what it has for tests."""
    program = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    _take(root, program.resolve(), root / str(program).lstrip("/"))
    (root / "usr/bin/python3").symlink_to(program)
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    left_out = shutil.ignore_patterns(
        "site-packages", "test", "tests", "idlelib", "ensurepip", "__pycache__", "*.a", "config-*"
    )
    shutil.copytree(library, root / str(library).lstrip("/"), ignore=left_out, symlinks=True)
    for module in (library / "lib-dynload").glob("*.so"):
        _take_libraries(root, module)
    for name in _WHEELS:  # what packages for every Linux count on
        found = next((path for folder in _FOLDERS if (path := Path(folder, name)).exists()), None)
        if found is not None:
            _copy(found, root)


def _take(root: Path, program: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, target)
    _take_libraries(root, program)


def _take_libraries(root: Path, program: Path) -> None:
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
    for line in told.splitlines():
        match = _LIBRARY.search(line)
        if match is not None:
            _copy(Path(match[1]), root)


def _copy(library: Path, root: Path) -> None:
    target = root / str(library).lstrip("/")
    if library.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), target)
