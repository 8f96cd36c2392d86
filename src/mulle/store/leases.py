"""Leases: each process that uses a store tells gc so by a locked file, however the process may end.

What a process has put, or has been told to be there, may not be named by any row yet. Its lease says which
*generation* of condemned objects it knows: it never counts on one of those without pardoning it first, and what is
condemned later is not deleted while the lease lasts. Specified in `docs/en/reference/formats.md`.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from mulle.store import condemned
from mulle.store.files import Files, write_all

P = ParamSpec("P")
R = TypeVar("R")
WINDOW = 24 * 3600.0
"""A lease outside of a session protects what was put or found within about this many seconds: half of it at least."""
_TELL_SECONDS = 60.0
_RECENT_SECONDS = 3600.0
EVERYTHING = 1 << 62
"""A generation after all others."""


class Holder(msgspec.Struct, frozen=True):
    """A living process that holds a lease: since when (seconds since 1970), and how many sessions it is in.

    `writes` is false for one that only read so far, in sessions.
    """

    pid: int = 0
    command: str = ""
    since: float = 0.0
    generation: int = 0
    sessions: int = 0
    writes: bool = True


class Lease:
    """This process's lease on one store; it begins when the store is first used. Safe from any thread.

    `condemned` are the digests (raw) that gc has condemned as far as this process knows; `number` counts how often they
    were read anew: then places of objects that were remembered from before must be looked up again.
    """

    def __init__(self, root: Path, files: Files, now: Callable[[], float] = time.time) -> None:
        self.condemned: set[bytes] = set()
        self.number = 0
        self._root, self._files, self._now = root, files, now
        self._folder = root / "leases"
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._fd = -1
        self._path = Path()
        self._writes = False
        self._since = self._read_at = self._told_at = 0.0
        self._quiet_until = -1.0
        self._generation = self._promised = 0
        self._sessions: dict[int, list[int]] = {}
        self._touched: dict[int, float] = {}

    def touch(self) -> None:
        """Hold the lease from now on; called before anything is put or said to be there.

        Raises:
            OSError: the lease's file cannot be written.
        """
        now = self._now()
        self._touched[threading.get_ident()] = now
        if not (self._writes and self._told_at <= now < self._quiet_until):
            with self._lock:
                before, self._writes = self._writes, True
                self._tell(now)
                if not before:
                    self._write()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Within the block nothing that is put, found or read is deleted, however long it takes.

        Where the lease cannot be had, as on a full disk, reading goes on without it; putting does not.
        """
        me = threading.get_ident()
        with self._lock, contextlib.suppress(OSError):
            self._sessions.setdefault(me, []).append(self._generation if self._fd >= 0 else 0)
            self._tell(self._now())
            self._sessions[me][-1] = self._generation
            self._write()
        try:
            yield
        finally:
            with self._lock:
                self._sessions[me].pop()
                if not self._sessions[me]:
                    del self._sessions[me]
                    self._touched.pop(me, None)
                with contextlib.suppress(OSError):
                    self._write()

    def pardon(self, raw: bytes) -> None:
        """Take an object off the list of the condemned: it is needed again. It may be gone already: look anew."""
        condemned.pardon(self._root, [raw], self._files)
        self.condemned.discard(raw)

    def learn(self) -> None:
        """Learn at once what is condemned: gc, which has just condemned it, does not wait for its own lease."""
        with self._lock:
            if self._fd >= 0:
                self._learn(self._now())

    @property
    def generation(self) -> int:
        """The newest generation that this process has read."""
        return self._generation

    def others_know(self) -> int:
        """The newest generation that every other thread of this process knows; those that only read do not count."""
        me, now = threading.get_ident(), self._now()
        with self._lock:
            sessions = [known for thread, held in self._sessions.items() if thread != me for known in held]
            recent = any(
                thread != me and now - at < _RECENT_SECONDS and thread not in self._sessions
                for thread, at in self._touched.items()
            )
            return min([EVERYTHING, *sessions, *([self._promised] if recent else [])])

    def own(self, path: Path) -> bool:
        """Whether the file is that of this lease."""
        return self._fd >= 0 and path == self._path

    def release(self) -> None:
        """Let go of the lease; a later use begins it again."""
        with self._lock:
            if self._fd >= 0 and self._pid == os.getpid():
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)
            self.forget()

    def forget(self) -> None:
        """Close the file without giving the lease up: in a forked child, whose parent still holds it."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._quiet_until, self._writes = -1, -1.0, False
        self._touched.clear()

    def _tell(self, now: float) -> None:
        """Say that this process is there still, and learn what was condemned, as far as it is time to."""
        idle = self._fd < 0 or not 0 <= now - self._told_at < WINDOW
        if self._fd < 0:
            self._begin(now)
        if idle:
            self._learn(now)
            self._promised = self._generation
            self._write()
        elif not 0 <= now - self._read_at < WINDOW / 2:
            before = self._generation
            self._learn(now)
            self._promised = before
            self._write()
        os.utime(self._path, (now, now))
        self._told_at, self._quiet_until = now, now + _TELL_SECONDS

    def _begin(self, now: float) -> None:
        """Make the file and lock it: until it says more, that of a process that knows of nothing condemned."""
        self._folder.mkdir(exist_ok=True)
        while self._fd < 0:
            path = self._folder / f"{os.getpid()}-{os.urandom(8).hex()}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            if is_locked_here(fd, path):
                self._fd, self._path, self._pid, self._since = fd, path, os.getpid(), now
            else:  # gc took it for one that was left behind
                os.close(fd)

    def _learn(self, now: float) -> None:
        generation, marks = condemned.load(self._root)
        self.condemned, self._generation = set(marks), generation
        self._read_at = now
        self.number += 1

    def _write(self) -> None:
        known = [generation for held in self._sessions.values() for generation in held]
        told = Holder(self._pid, _command(), self._since, min([self._promised, *known]), len(known), self._writes)
        content = msgspec.json.encode(told)
        os.ftruncate(self._fd, 0)
        write_all(self._files, self._fd, [content], 0)


def is_locked_here(fd: int, path: Path) -> bool:
    """Lock the file; False when somebody else has it, or it is not the one of that name any more."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def holders(root: Path, own: Lease | None = None, now: float | None = None) -> list[Holder]:
    """The living processes that hold a lease, without `own`; files of those that ended are removed.

    One that has put or found nothing lately and is in no session does not count.
    """
    now = time.time() if now is None else now
    found = []
    for path in sorted((root / "leases").glob("*-*")):
        if own is not None and own.own(path):
            continue
        holder = _holder(path, now)
        if holder is not None:
            found.append(holder)
    return found


def _holder(path: Path, now: float) -> Holder | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if is_locked_here(fd, path):
            path.unlink(missing_ok=True)
            return None
        told = _parse(os.pread(fd, 4096, 0), path)
        idle = now - os.fstat(fd).st_mtime >= WINDOW
        return told if told.sessions or (told.writes and not idle) else None
    finally:
        os.close(fd)


def _parse(content: bytes, path: Path) -> Holder:
    """What the holder says; one in the middle of saying it knows of nothing condemned."""
    try:
        return msgspec.json.decode(content, type=Holder)
    except msgspec.MsgspecError:
        return Holder(int(path.name.partition("-")[0]) if path.name.partition("-")[0].isdigit() else 0)


def _command() -> str:
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"


_held: dict[tuple[int, str], Lease] = {}
_uses: dict[tuple[int, str], int] = {}
_registry = threading.RLock()


def lease_of(root: Path, files: Files) -> Lease:
    """This process's lease on the store at `root`: all its stores there share one. Give it back by `let_go`."""
    key = (os.getpid(), str(root.resolve()))
    with _registry:
        lease = _held.setdefault(key, Lease(root, files))
        _uses[key] = _uses.get(key, 0) + 1
        return lease


def let_go(lease: Lease) -> None:
    """Give back a lease that `lease_of` gave; the last one releases it."""
    with _registry:
        key = next((key for key, held in _held.items() if held is lease), None)
        if key is None:
            lease.release()
            return
        _uses[key] -= 1
        if not _uses[key]:
            del _uses[key], _held[key]
            lease.release()


def _after_fork() -> None:
    """The parent's leases stay the parent's; only the child's copies of their descriptors are closed."""
    global _registry  # noqa: PLW0603 - the lock may have been held by a thread that is not here
    _registry = threading.RLock()
    _uses.clear()
    while _held:
        _held.popitem()[1].forget()


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def leased(store: Any) -> Iterator[None]:
    """Within the block gc deletes nothing that is put into the store or found there; for stores that have gc."""
    session: Callable[[], contextlib.AbstractContextManager[None]] | None = getattr(store, "session", None)
    with contextlib.nullcontext() if session is None else session():
        yield


def leasing(store_of: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function run within `leased(store_of(*arguments))`: what it puts, finds or reads stays until it ends."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with leased(store_of(*args, **kwargs)):
                return function(*args, **kwargs)

        return call

    return wrap
