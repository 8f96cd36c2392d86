"""Whether a process still lives, also when another one has its number by now."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from functools import lru_cache
from pathlib import Path

import msgspec

_STARTED = 19
"""Where the start time stands in /proc/<pid>/stat, counted from behind the command's name."""
_TOLERANCE = 2.0
"""Seconds by which two readings of a start time may differ where it is counted from the boot time, which drifts."""
_DEAD = {"Z", "X"}
HUNG_SECONDS = 60.0
"""A process that is silent for so long, and does not compute, hangs."""


class Process(msgspec.Struct, frozen=True):
    """Which process drives a run; a process id alone is reused, its start time with it is not."""

    host: str
    pid: int
    started: float


def this_process() -> Process:
    """The present process."""
    return _process(os.getpid())


@lru_cache(maxsize=4)
def _process(pid: int) -> Process:
    found = _started(pid)
    assert found is not None
    return Process(socket.gethostname(), pid, found)


def lives(process: Process) -> bool:
    """Whether the process still runs; one on another machine counts as living, as nothing else is known."""
    if process.host != socket.gethostname():
        return True
    found = _started(process.pid)
    return found is not None and abs(found - process.started) < _TOLERANCE


def hangs(process: Process, beat: float) -> bool:
    """Whether a living process is stopped or stuck: its last sign of life is too old, and no thread of it computes.

    One that computes may hold Python's interpreter in C code for long, and say nothing meanwhile. One on another
    machine never counts as hung, as its clock is another one.

    Args:
        process: which process.
        beat: `time.monotonic()` in it when it last gave a sign of life; that clock is one for the whole machine.
    """
    silent = time.monotonic() - beat > HUNG_SECONDS
    return silent and process.host == socket.gethostname() and not _computes(process.pid)


def _computes(pid: int) -> bool:
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            if thread.read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "R":
                return True
    return False


def _started(pid: int) -> float | None:
    """When a process started, in units of this system's choice; None when it is gone, or only its body is left."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in _DEAD else float(fields[_STARTED])
    import psutil  # noqa: PLC0415 - start-up time: not needed where there is /proc

    try:
        found = psutil.Process(pid)
        return None if found.status() == psutil.STATUS_ZOMBIE else float(found.create_time())
    except psutil.Error:
        return None
