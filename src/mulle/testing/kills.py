"""Real processes that die by SIGKILL in the middle of their work."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from mulle.store.files import Files


class LethalFiles(Files):
    """File operations of which the `kill_at`-th (from 1) is the process's last: it dies in the middle of it."""

    def __init__(self, kill_at: int) -> None:
        self._left = kill_at

    def _count(self) -> bool:
        self._left -= 1
        return self._left == 0

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        if self._count():
            whole = b"".join(buffers)
            super().write(fd, [whole[: len(whole) // 2]], offset)
            die()
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        if self._count():
            die()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        if self._count():
            die()
        super().rename(source, target)

    def truncate(self, fd: int, length: int) -> None:
        if self._count():
            die()
        super().truncate(fd, length)

    def unlink(self, path: Path) -> None:
        if self._count():
            die()
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        if self._count():
            die()
        super().sync_folder(folder)


def die() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fork() -> int:
    """`os.fork`, for tests that know what they do: Python warns of it where threads run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def acknowledged_before_death(
    work: Callable[[Callable[[str], None]], None], *, kill_after: float | None = None
) -> list[str]:
    """Run `work(acknowledge)` in a child process and return the lines it acknowledged before its end.

    The child dies by its own hand (`die`) or, with `kill_after`, by ours so many seconds after its first line. A child
    that fails by an exception is an error.
    """
    receive, send = os.pipe()
    child = fork()
    if child == 0:
        _be_child(work, receive, send)
    os.close(send)
    killer = threading.Timer(kill_after or 0, _kill, [child])
    with os.fdopen(receive) as lines:
        first = lines.readline()
        if kill_after is not None:
            killer.start()
        acknowledged = (first + lines.read()).split("\n")[:-1]
    if kill_after is not None:  # before the child's number may become another process's
        killer.cancel()
        killer.join()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError("the child failed; see its traceback above")
    return acknowledged


def _be_child(work: Callable[[Callable[[str], None]], None], receive: int, send: int) -> None:
    code = 1
    try:
        os.close(receive)
        work(lambda line: _send(send, line))
        code = 0
    except BaseException:  # noqa: BLE001 - the parent learns of it by the exit code
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def _send(send: int, line: str) -> None:
    os.write(send, line.encode() + b"\n")


def _kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
