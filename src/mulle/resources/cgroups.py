"""Limits by cgroup v2 (https://docs.kernel.org/admin-guide/cgroup-v2.html), where a folder of it was delegated to us.

The folder must hold no processes itself, and have the controllers `cpu` and `memory` handed down; as root, once:

    mkdir /sys/fs/cgroup/mulle && echo "+cpu +memory" > /sys/fs/cgroup/mulle/cgroup.subtree_control
    chown -R USER /sys/fs/cgroup/mulle
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from mulle.errors import ConfigError

_PERIOD = 100_000
"""Microseconds: the kernel's own default."""


class Cgroup:
    """A group for the processes of one worker, below a delegated folder."""

    def __init__(self, parent: Path, name: str) -> None:
        """Make it.

        Raises:
            ConfigError: the folder is no delegated one, or does not hand down what is needed.
        """
        _check(parent)
        self._folder = parent / name
        self._folder.mkdir(exist_ok=True)
        self._killed = self.kills()

    def join(self, pid: int) -> None:
        """Take a process in; what it starts belongs to the group too."""
        self._write("cgroup.procs", str(pid))

    def limit(self, cpus: float, memory: int) -> None:
        """Hold all processes of the group to so many cores' time and so many bytes; 0 is no limit."""
        self._write("memory.max", str(memory) if memory else "max")
        self._write("cpu.max", f"{round(cpus * _PERIOD)} {_PERIOD}" if cpus else f"max {_PERIOD}")
        with contextlib.suppress(OSError):  # there may be no swap
            self._write("memory.swap.max", "0" if memory else "max")
        self._killed = self.kills()

    def kills(self) -> int:
        """How many of its processes the kernel has killed for their memory."""
        try:
            lines = (self._folder / "memory.events").read_text("ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    @property
    def over(self) -> bool:
        """Whether the kernel has killed a process of it since the limit was set."""
        return self.kills() > self._killed

    def remove(self) -> None:
        """Remove it; its processes must be gone."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, "ascii")


def _check(parent: Path) -> None:
    try:
        handed = (parent / "cgroup.subtree_control").read_text("ascii").split()
    except OSError as error:
        what = "is no folder of cgroup v2" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        raise _refused(parent, what) from None
    missing = [name for name in ("cpu", "memory") if name not in handed]
    if missing:
        raise _refused(parent, f"does not hand down {' and '.join(missing)}")


def _refused(parent: Path, what: str) -> ConfigError:
    hand_down = f'echo "+cpu +memory" > {parent}/cgroup.subtree_control'
    return ConfigError(
        f"[resources] cgroup: {parent} {what}",
        cause="steps can be limited there only if an administrator delegated it",
        cure=f"as root: mkdir -p {parent} && {hand_down} && chown -R USER {parent}",
    )
