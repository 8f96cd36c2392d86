"""Limits that processes are held to: memory by watching what they hold, cores by affinity.

What counts is anonymous memory. Pages of mapped files are the system's to drop, so that a table of 100 GB which is read
through a map does not count against a step that asked for 2 GiB.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PROC = Path("/proc")
_RESIDENT, _SHARED = 1, 2
"""Where they stand in /proc/<pid>/statm, in pages; the second counts pages of files and of shared memory."""


def anonymous_memory(pids: Iterable[int]) -> int:
    """The bytes that these processes hold of their own; those that are gone hold none. 0 where there is no /proc."""
    held = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = (_PROC / str(pid) / "statm").read_text("ascii").split()
            held += max(0, int(pages[_RESIDENT]) - int(pages[_SHARED])) * _PAGE
    return held


def hold_to(pid: int, cores: Iterable[int]) -> None:
    """Let a process, its threads and what they start run on these cores only; on all of ours where none are named."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = set(cores) or os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # it is gone, or the cores are
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError, ValueError):
                os.sched_setaffinity(int(thread.name), allowed)


def in_words(count: int) -> str:
    """Bytes as people say them: "2.3 GiB", "640 MiB"."""
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"
