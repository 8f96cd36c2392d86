"""A disk that fails when it is told to."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from mulle.store.files import Files


class FaultyFiles(Files):
    """File operations of which the `fail_at`-th (from 1) and all after it fail, until `mend()`.

    A write that fails for want of space writes half of its bytes first, as a full disk does.
    """

    def __init__(self, fail_at: int = 0, error: int = errno.ENOSPC) -> None:
        self.fail_at = fail_at
        self.error = error
        self.calls = 0

    def mend(self) -> None:
        """From here on nothing fails."""
        self.fail_at = 0

    def _fails(self) -> bool:
        self.calls += 1
        return bool(self.fail_at) and self.calls >= self.fail_at

    def _check(self) -> None:
        if self._fails():
            raise OSError(self.error, os.strerror(self.error))

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        if self._fails():
            whole = b"".join(buffers)
            half = whole[: len(whole) // 2]
            if self.error == errno.ENOSPC and half and self.calls == self.fail_at:
                return super().write(fd, [half], offset)
            raise OSError(self.error, os.strerror(self.error))
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        self._check()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._check()
        super().rename(source, target)

    def truncate(self, fd: int, length: int) -> None:
        self._check()
        super().truncate(fd, length)

    def unlink(self, path: Path) -> None:
        self._check()
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        self._check()
        super().sync_folder(folder)
