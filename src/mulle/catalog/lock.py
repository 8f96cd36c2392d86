"""The one lock of a catalog's writers: threads and processes queue here, so nobody finds the database locked."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mulle.errors import CatalogError


class WriteLock:
    """A file lock that waits and never fails; it goes with its process, however that ends. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owner = threading.local()
        self._open()

    def _open(self) -> None:
        self._pid = os.getpid()
        self._threads = threading.Lock()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock within the block.

        Raises:
            CatalogError: this thread holds it already (it would wait for itself).
        """
        if self._pid != os.getpid():
            self._open()  # after a fork: the inherited descriptor would share the parent's lock
            self._owner = threading.local()
        if getattr(self._owner, "holds", False):
            raise CatalogError(
                "a write transaction is open in this thread already",
                cause="a verb was called inside another one's transaction",
                cure="pass the transaction on instead of opening a second one",
            )
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._owner.holds = True
            try:
                yield
            finally:
                self._owner.holds = False
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file; once or twice is the same."""
        if self._pid == os.getpid() and self._file >= 0:
            os.close(self._file)
            self._file = -1
