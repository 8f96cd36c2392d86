"""The log of a study: what all processes that work at it append to and follow, in one order.

A file of the spool's format (`docs/en/reference/formats.md`) that several processes append to, under a lock. What
`append` has written survives kill -9 of any process at once, and a power cut after 100 ms or `close`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mulle.errors import StoreError
from mulle.spool.frame import HEADER, MAGIC, VERSION, frame, frames, header
from mulle.tuning.facts import Fact, History, decode, encode

SYNC_SECONDS = 0.1


class StudyLog:
    """A study's log and the history that it tells. Safe to use from several threads; each process opens its own."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self.history = History()
        self.lock = threading.RLock()
        self.end = HEADER.size
        self._durable = durable
        self._dirty = threading.Event()
        self._closed = threading.Event()
        self._syncing: threading.Thread | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with self._alone():
            if os.fstat(self._fd).st_size < HEADER.size:
                os.ftruncate(self._fd, 0)
                os.write(self._fd, header())
        self._check()
        self.refresh()

    def refresh(self) -> None:
        """Take in what other processes have appended."""
        with self.lock:
            size = os.fstat(self._fd).st_size
            if size > self.end:
                self._take_in(size)

    def append(self, *facts: Fact) -> None:
        """Append facts by one write; the history knows them and all before them when this returns.

        Raises:
            StoreError: the disk is full or fails; none of the facts is in the log.
        """
        self.decide(lambda _: facts)

    def decide(self, choose: Callable[[History], Sequence[Fact]]) -> Sequence[Fact]:
        """Append what `choose` makes of the newest history; nobody else appends in between. What was appended."""
        with self.lock, self._alone():
            size = os.fstat(self._fd).st_size
            if size > self.end:
                self._take_in(size)
                if size > self.end:  # a process died in the middle of its write, or the write was torn
                    os.ftruncate(self._fd, self.end)
            facts = choose(self.history)
            if facts:
                self._write(facts)
        return facts

    def close(self) -> None:
        """Make everything safe from a power cut, and let go of the file; once or twice is the same."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._dirty.set()
        if self._syncing is not None:
            self._syncing.join(10)
        with self.lock:
            if self._durable and self._syncing is not None:
                with contextlib.suppress(OSError):
                    os.fdatasync(self._fd)
            os.close(self._fd)

    def _write(self, facts: Sequence[Fact]) -> None:
        data = b"".join(frame(encode(fact)) for fact in facts)
        try:
            self._write_whole(data)
        except OSError as error:
            raise StoreError(
                f"the study's log {self.path} cannot be written",
                cause=error.strerror or str(error),
                cure=f"free space on the disk of {self.path.parent} (df -h {self.path.parent})",
            ) from error
        self.end += len(data)
        for fact in facts:
            self._apply(fact)
        self._keep_syncing()

    def _write_whole(self, data: bytes) -> None:
        if os.write(self._fd, data) != len(data):
            os.ftruncate(self._fd, self.end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _take_in(self, size: int) -> None:
        data = os.pread(self._fd, size - self.end, self.end)
        payloads, whole = frames(data, 0)
        self.end += whole
        for payload in payloads:
            self._apply(decode(payload))

    def _apply(self, fact: Fact) -> None:
        number = self.history.apply(fact)
        if number >= 0:
            self.history.attempts[number].changed = self.end

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _check(self) -> None:
        magic, version, _ = HEADER.unpack(os.pread(self._fd, HEADER.size, 0))
        if magic != MAGIC or version > VERSION:
            raise StoreError(
                f"{self.path} is no log of a study that this mulle reads",
                cause="its first bytes are damaged, or it is from a newer mulle",
                cure="pip install --upgrade mulle, or give the study another name",
            )

    def _keep_syncing(self) -> None:
        if not self._durable:
            return
        if self._syncing is None:
            self._syncing = threading.Thread(target=self._sync, name=f"study-{self.path.stem}", daemon=True)
            self._syncing.start()
        self._dirty.set()

    def _sync(self) -> None:
        while not self._closed.is_set():
            self._dirty.wait()
            if self._closed.wait(SYNC_SECONDS):
                return
            self._dirty.clear()
            with contextlib.suppress(OSError):  # a failing disk shows itself to the next append
                os.fdatasync(self._fd)
