"""The processes that a step starts: found wherever they went, measured together, and ended together.

A worker's children carry a mark in their environment, so that those which left its session, or outlived their parent,
are found too. What cleans its environment is found while it is a descendant, which on Linux it stays until the worker
ends (`adopt_orphans`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "MULLE_WORKER"
"""The environment variable that says which worker a process belongs to."""
_ADOPT = 36
"""PR_SET_CHILD_SUBREAPER of <sys/prctl.h>."""
_CLEANERS = {"conmon"}
"""What ends by itself when its container has, and cleans up after it."""
_ROUNDS = 50
_PAUSE_SECONDS = 0.01
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Use(NamedTuple):
    """What processes have used up to now: CPU seconds, and bytes of memory that are resident."""

    cpu_seconds: float
    memory: int


class Stat(NamedTuple):
    """A process as /proc shows it: its program's name, its state (one letter), its parent, and its beginning.

    That is counted in ticks since the boot.
    """

    name: str
    state: str
    parent: int
    cpu_seconds: float
    began: int


def adopt_orphans() -> None:
    """From now on the descendants of this process whose parents end become its children, on Linux."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)


def end(pid: int | None = None, mark: str = "", spare: Iterable[int] = (), since: float = 0.0) -> list[int]:
    """Kill a process with all its descendants, and every process that carries the mark; who was killed.

    Looks again until there is nobody left, as a process may start another one while its parent is being killed.

    Args:
        pid: the process; None for none. When it is this process, only its descendants are killed.
        mark: the value of `MARK`; "" for none.
        spare: processes that are left alone.
        since: only descendants that began at or after this many seconds since the boot.
    """
    spared, ended = {os.getpid(), *spare}, []
    for _ in range(_ROUNDS):
        found = [each for each in _members(pid, mark, since) if each not in spared and _lives(each)]
        if not found:
            break
        for each in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
                ended.append(each)
        time.sleep(_PAUSE_SECONDS)
    return list(dict.fromkeys(ended))


@contextlib.contextmanager
def guarded() -> Iterator[dict[str, str]]:
    """Within the block, what is started with these environment variables ends with this process, however it ends.

    A worker has its own guard, and nothing is to be done in it. A block that is left by an exception ends them too.
    """
    if MARK in os.environ:
        yield {}
        return
    mark = os.urandom(8).hex()
    guard = subprocess.Popen(  # noqa: S603 - this module, which needs nothing but the standard library
        [sys.executable, "-I", "-S", __file__, mark], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield {MARK: mark}
        guard.kill()
    except BaseException:
        end(None, mark)
        guard.kill()
        raise
    finally:
        guard.communicate()


def use(pid: int) -> Use:
    """What a process and its descendants have used; those that ended count with the parent that waited for them."""
    seconds, memory = 0.0, 0
    for each in (pid, *descendants(pid)):
        found = stat(each)
        if found is not None:
            seconds += found.cpu_seconds
            with contextlib.suppress(OSError, ValueError, IndexError):
                memory += int((_PROC / str(each) / "statm").read_text().split()[1]) * _PAGE
    return Use(seconds, memory)


def descendants(pid: int) -> list[int]:
    """The processes below one, nearest first."""
    if not _PROC.is_dir():
        return _descendants_elsewhere(pid)
    found, level = list[int](), [pid]
    while level:
        level = [child for each in level for child in _children(each) if child not in found]
        found += level
    return found


def stat(pid: int) -> Stat | None:
    """How a process is; None when it is gone."""
    try:
        head, _, tail = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    spent = sum(int(ticks) for ticks in fields[11:15]) / _TICKS  # its own, and of children that it waited for
    return Stat(head.partition("(")[2], fields[0], int(fields[1]), spent, int(fields[19]))


def _members(pid: int | None, mark: str, since: float) -> Iterator[int]:
    if pid is not None:
        for each in descendants(pid):
            found = stat(each)
            if not since or found is None or found.began >= int(since * _TICKS):
                yield each
        if pid != os.getpid():
            yield pid
    if mark:
        yield from marked(mark)


def marked(mark: str) -> Iterator[int]:
    """The processes of this user whose environment carries the mark."""
    wanted = f"{MARK}={mark}".encode()
    for folder in _PROC.iterdir() if _PROC.is_dir() else ():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


def _lives(pid: int) -> bool:
    if not _PROC.is_dir():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    found = stat(pid)
    return found is not None and found.state not in {"Z", "X"} and found.name not in _CLEANERS


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def _descendants_elsewhere(pid: int) -> list[int]:
    import psutil  # noqa: PLC0415 - start-up time: only systems without /proc need it

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


if __name__ == "__main__":
    sys.stdin.read()  # until whoever started this is gone
    end(None, sys.argv[1])
