"""The machine as this process may use it: affinity and container limits count, not the sticker."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

import msgspec
import psutil

from mulle.resources.gpus import Gpu, gpus

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_CGROUP = Path("/sys/fs/cgroup")


class Machine(msgspec.Struct, frozen=True):
    """What a run may use, and where it ran."""

    cpus: int
    memory_bytes: int
    gpus: list[Gpu]
    hostname: str
    python: str
    platform: str


def machine() -> Machine:
    """This machine."""
    return Machine(
        cpus=cpus_available(),
        memory_bytes=memory_available(),
        gpus=gpus() or _gpus(_NVIDIA),
        hostname=socket.gethostname(),
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.release()}-{platform.machine()}",
    )


def cpus_available(cgroup: Path = _CGROUP) -> int:
    """How many cores this process may keep busy: its affinity, or the container's quota when that is less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota, _, period = _first_line(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        allowed = min(allowed, max(1, round(int(quota) / int(period))))
    return allowed


def memory_available(cgroup: Path = _CGROUP) -> int:
    """How many bytes of memory this process may use: the machine's, or the container's limit when that is less."""
    total = int(psutil.virtual_memory().total)
    limit = _first_line(cgroup / "memory.max")
    return min(total, int(limit)) if limit.isdigit() else total


def _first_line(path: Path) -> str:
    try:
        return path.read_text("ascii").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return ""


def _gpus(folder: Path) -> list[Gpu]:
    """What the driver tells by files, where its library is not at hand."""
    found: list[Gpu] = []
    for card in sorted(folder.glob("*/information")):
        fields = dict(line.split(":", 1) for line in card.read_text("utf-8", "replace").splitlines() if ":" in line)
        bus = fields.get("Bus Location", card.parent.name).strip()
        found.append(Gpu(fields.get("Model", "?").strip(), bus, str(len(found))))
    return found
