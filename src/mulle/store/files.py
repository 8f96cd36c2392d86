"""The few file operations that durability rests on, in one place so that faults can be injected beneath them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mulle.errors import StoreError

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Files:
    """System calls as methods. A test hands in a subclass that fails where it is told to."""

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        """One write at an offset; returns how many bytes went out, which may be fewer than asked."""
        return os.pwritev(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def unlink(self, path: Path) -> None:
        """Remove a name; one that is gone already stays gone."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def replace(files: Files, path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put a file there whole, or leave what was there before: temporary file, sync, rename, sync of the folder."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        write_all(files, fd, [content], 0)
        if durable:
            files.sync(fd)
        files.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    if durable:
        files.sync_folder(path.parent)


def write_all(files: Files, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
    """Write every byte, in as many calls as it takes, and return the offset after the last.

    A call that writes nothing means that the disk is full.
    """
    views = [memoryview(buffer) for buffer in buffers if len(buffer)]
    while views:
        written = files.write(fd, views, offset)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        offset += written
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if written:
            views[0] = views[0][written:]
    return offset


@contextmanager
def explained(doing: str, folder: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what to do about it."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        raise StoreError(f"{doing} failed", cause=cause, cure=_cure(error, folder)) from error


def _cure(error: OSError, folder: Path) -> str:
    if error.errno in _SPACE:
        return f"free space on the disk of {folder} (df -h {folder}), then repeat the command; nothing was half-written"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"make {folder} readable and writable for this user (ls -ld {folder})"
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
        return f"check the path {folder} (ls -l {folder})"
    return f"check the disk of {folder} (dmesg), then repeat the command; nothing was half-written"
