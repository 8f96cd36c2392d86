"""Whether the process that drives a run still lives."""

from __future__ import annotations

import os
import socket
from functools import lru_cache

import psutil

from mulle.tracking.model import Process

_TOLERANCE = 2.0
"""Seconds by which two readings of one process's start time may differ: the boot time they are counted from drifts."""


@lru_cache(maxsize=4)
def _of(pid: int) -> Process:
    return Process(socket.gethostname(), pid, psutil.Process(pid).create_time())


def this_process() -> Process:
    """The present process."""
    return _of(os.getpid())


def lives(process: Process) -> bool:
    """Whether the process still runs; one on another machine counts as living, as nothing else is known."""
    if process.host != socket.gethostname():
        return True
    try:
        found = psutil.Process(process.pid)
        return bool(abs(found.create_time() - process.started) < _TOLERANCE and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
