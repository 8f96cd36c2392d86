"""The few file operations that durability rests on, in one place so that faults can be injected beneath them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Files:
    """System calls as methods. A test hands in a subclass that fails where it is told to."""

    def write(self, fd: int, buffers: Sequence[bytes | memoryview]) -> int:
        """One write; returns how many bytes went out, which may be fewer than asked."""
        return os.writev(fd, buffers)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_all(files: Files, fd: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write every byte, in as many calls as it takes; a call that writes nothing means that the disk is full."""
    views = [memoryview(buffer) for buffer in buffers if len(buffer)]
    while views:
        written = files.write(fd, views)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if written:
            views[0] = views[0][written:]


@contextmanager
def explained(doing: str, folder: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing} failed", cause=error.strerror or str(error), cure=_cure(error, folder)) from error


def _cure(error: OSError, folder: Path) -> str:
    if error.errno in _SPACE:
        return f"free space on the disk of {folder} (df -h {folder}), then repeat the command; nothing was half-written"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"make {folder} writable for this user (ls -ld {folder})"
    return f"check the disk of {folder} (dmesg), then repeat the command; nothing was half-written"
