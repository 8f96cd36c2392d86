"""Appending to the spool: one write(2) a call, on the disk within a tenth of a second."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mulle.clock import Clock
from mulle.errors import StoreError, UsageError
from mulle.spool.frame import frame, header

SYNC_SECONDS = 0.1
MAX_BYTES = 16 << 20
MAX_AGE_SECONDS = 60.0


class SpoolWriter:
    """Appends payloads to segments `<writer>-<n>.seg` in a folder; thread-safe, for one process.

    What `append` has accepted survives kill -9 of any process at once, and a power cut after `sync` or 100 ms. The open
    segment is locked; a new one is begun when it is large or old, and a closed or dead writer's segment is complete.
    """

    def __init__(
        self,
        directory: Path,
        writer_id: str,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE_SECONDS,
        durable: bool = True,
    ) -> None:
        if not writer_id or "/" in writer_id or writer_id.startswith("."):
            raise UsageError(
                f"'{writer_id}' is no writer id", cause="it becomes a file name", cure="use letters and digits"
            )
        self._directory = directory
        self._writer_id = writer_id
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._durable = durable
        self._lock = threading.Lock()
        self._fd = -1
        self._size = 0
        self._began = 0.0
        self._dirty = False
        self._number = _last_number(directory, writer_id)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def append(self, payload: bytes) -> None:
        """Add one payload (not empty).

        Raises:
            StoreError: the disk is full or fails; the payload is not in the spool, and those before it still are.
        """
        self.append_many((payload,))

    def append_many(self, payloads: Sequence[bytes]) -> None:
        """Add payloads by a single write; all of them or none."""
        if not payloads:
            return
        if not all(payloads):
            raise UsageError(
                "an empty payload cannot be spooled", cause="a frame holds at least a byte", cure="leave it out"
            )
        data = b"".join(map(frame, payloads))
        with self._lock:
            try:
                self._write(data)
            except OSError as error:
                raise _failed(self._directory, error) from error

    def sync(self) -> None:
        """Make everything appended safe from a power cut."""
        with self._lock:
            self._sync()

    def seal(self) -> None:
        """End the open segment, so that it can be compacted; the next append begins another."""
        with self._lock:
            self._end_segment()

    def close(self) -> None:
        """Seal, and stop the timer; nothing can be appended afterwards."""
        self.seal()
        self._closed = True
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        if self._fd >= 0 and self._is_full(len(data)):
            self._end_segment()
        if self._fd < 0:
            self._begin_segment()
        written = os.write(self._fd, data)
        if written != len(data):
            self._undo()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._dirty = True
        if not self._wake.is_set():
            self._wake.set()

    def _is_full(self, more: int) -> bool:
        return self._size + more > self._max_bytes or self._clock.monotonic() - self._began > self._max_age

    def _undo(self) -> None:
        """Cut off a frame that went out in part; where even that fails, leave the segment to recovery."""
        try:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError:
            self._end_segment()

    def _begin_segment(self) -> None:
        if self._closed:
            raise StoreError("the spool is closed", cause="append after close()", cure="make a new SpoolWriter")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._number += 1
        path = self._directory / f"{self._writer_id}-{self._number:08d}.seg"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            _write_whole(fd, header())
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self._fd, self._size, self._began = fd, len(header()), self._clock.monotonic()
        self._start_timer()

    def _end_segment(self) -> None:
        if self._fd >= 0:
            try:
                self._sync()
            finally:
                os.close(self._fd)
                self._fd = -1

    def _sync(self) -> None:
        if self._dirty and self._fd >= 0:
            self._dirty = False
            if self._durable:
                os.fdatasync(self._fd)

    def _start_timer(self) -> None:
        if self._thread is None and self._durable:
            self._thread = threading.Thread(target=self._keep_syncing, name=f"spool-{self._writer_id}", daemon=True)
            self._thread.start()

    def _keep_syncing(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._stop.wait(SYNC_SECONDS)
            self._wake.clear()
            with contextlib.suppress(OSError):  # a failing disk shows itself to the next append
                self._sync_outside_lock()

    def _sync_outside_lock(self) -> None:
        """Sync without making appends wait for the disk, on a descriptor that they cannot close meanwhile."""
        with self._lock:
            if not self._dirty or self._fd < 0:
                return
            self._dirty = False
            fd = os.dup(self._fd)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)


def _write_whole(fd: int, data: bytes) -> None:
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _last_number(directory: Path, writer_id: str) -> int:
    numbers = [path.stem.removeprefix(f"{writer_id}-") for path in directory.glob(f"{writer_id}-*.seg")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _failed(directory: Path, error: OSError) -> StoreError:
    return StoreError(
        "the spool cannot be written",
        cause=error.strerror or str(error),
        cure=f"free space on the disk of {directory} (df -h {directory}), or check the disk (dmesg)",
    )
