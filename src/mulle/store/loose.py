"""Large objects, each a file of its own: `objects/<xx>/<64 hex digits>`."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from mulle.errors import StoreError
from mulle.hashing import Hasher, digest_bytes, digest_file, digest_stream, is_digest
from mulle.hashing.content import CHUNK
from mulle.store.files import Files, write_all
from mulle.store.pouring import Sink
from mulle.types import Digest

_CLONE = 0x40049409
"""FICLONE of <linux/fs.h>: share the blocks of another file."""
REFUSALS = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EBADF}
"""How a system says that it cannot share blocks, or link."""


class LooseObjects:
    """Whole files under their digests, written as temporary file, fsync, rename. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        temporary: Path,
        files: Files,
        *,
        durable: bool,
        claim: Callable[[Digest], None] = lambda digest: None,  # noqa: ARG005
    ) -> None:
        """`claim` is told of every object that is about to be put, or believed to be there: gc must not delete it."""
        self._claim = claim
        self._folder = folder
        self._temporary = temporary
        self._files = files
        self._durable = durable
        self._unsynced: set[Path] = set()
        self._verified: dict[Digest, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def path(self, digest: Digest) -> Path:
        """Where the object lies, if it is there."""
        return self._folder / digest[3:5] / digest[3:]

    def has(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def put(self, data: bytes, digest: Digest) -> None:
        """Keep bytes of a known digest; an intact copy that is there already is left as it is."""
        if not self._keeps(digest):
            self._write(io.BytesIO(data))

    def put_pieces(self, pieces: Iterator[bytes], digest: Digest) -> None:
        """Keep an object that comes in pieces.

        Raises:
            StoreError: they are not the bytes that the digest names.
        """
        fd, temporary = self.scratch()
        try:
            hasher, offset = Hasher(), 0
            for piece in pieces:
                hasher.update(piece)
                offset = write_all(self._files, fd, [piece], offset)
            if hasher.digest() != digest:
                raise damaged(digest, "what it is made of")
            self._move(temporary, self.path(digest))
        finally:
            os.close(fd)
            temporary.unlink(missing_ok=True)

    def put_file(self, path: Path) -> Digest:
        """Keep a file's bytes as they are read now; an intact copy that is there already is left as it is."""
        with path.open("rb", buffering=0) as file:
            return self._write(file)

    def put_written(self, write: Callable[[Sink], None]) -> tuple[Digest, int]:
        """Keep what `write` writes; its digest and length."""
        fd, temporary = self.scratch()
        try:
            with Sink(fd, self._files) as sink:
                write(sink)
                digest = sink.digest()
            if self._durable:
                self._files.sync(fd)
            self.adopt(temporary, digest)
            self._verified[digest] = _stamp(self.path(digest).stat())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return digest, sink.size

    def adopt(self, temporary: Path, digest: Digest) -> None:
        """Take a file of ours, already safe from a power cut, as the object of that digest."""
        if self._keeps(digest):
            temporary.unlink()
        else:
            self._move(temporary, self.path(digest))

    def flush(self) -> None:
        """Make the names of what was put safe from a power cut."""
        with self._lock:
            folders, self._unsynced = self._unsynced, set()
        if not self._durable:
            return
        done: set[Path] = set()
        try:
            for folder in sorted(folders):
                self._files.sync_folder(folder)
                done.add(folder)
        finally:
            with self._lock:
                self._unsynced |= folders - done

    def check(self, digest: Digest) -> Path:
        """The object's file, its bytes verified once for each (inode, mtime, size).

        Raises:
            FileNotFoundError: it is not there.
            StoreError: its bytes are not those that the digest names.
        """
        path = self.path(digest)
        stamp = _stamp(path.stat())
        if self._verified.get(digest) != stamp:
            if digest_file(path) != digest:
                raise damaged(digest, str(path))
            self._verified[digest] = stamp
        return path

    def get(self, digest: Digest) -> bytes:
        """The object's bytes, verified as by `check` but read only once."""
        path = self.path(digest)
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            data = file.read()
        if self._verified.get(digest) != stamp:
            if digest_bytes(data) != digest:
                raise damaged(digest, str(path))
            self._verified[digest] = stamp
        return data

    def digests(self) -> Iterator[Digest]:
        for folder in sorted(self._folder.iterdir()):
            for path in sorted(folder.iterdir()):
                if is_digest(name := f"b3:{path.name}"):
                    yield Digest(name)

    def remove(self, digest: Digest) -> None:
        """Delete an object that nothing needs; one that is gone already stays gone."""
        self._files.unlink(self.path(digest))
        self._verified.pop(digest, None)

    def _keeps(self, digest: Digest) -> bool:
        """Whether an intact copy is there; perhaps another process's, so the next flush makes its name safe too."""
        self._claim(digest)
        try:
            folder = self.check(digest).parent
        except (StoreError, FileNotFoundError):
            return False
        with self._lock:
            self._unsynced |= {folder, self._folder}
        return True

    def scratch(self) -> tuple[int, Path]:
        """A new file to write to, and its path; whoever asks for it deletes it."""
        temporary = self._temporary / f"{os.getpid()}-{os.urandom(8).hex()}"
        return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), temporary

    def _write(self, source: BinaryIO) -> Digest:
        """Copy and hash in one pass; where the file system can, share the blocks instead and hash what came out."""
        fd, temporary = self.scratch()
        try:
            if isinstance(source, io.FileIO) and cloned(source.fileno(), fd):
                with temporary.open("rb", buffering=0) as shared:
                    digest = digest_stream(shared)
            else:
                digest = self._copy(source, fd)
            if self._durable:
                self._files.sync(fd)
            self.adopt(temporary, digest)
            self._verified.pop(digest, None)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return digest

    def _copy(self, source: BinaryIO, fd: int) -> Digest:
        """While one piece is written, another thread hashes it."""
        hasher, offset = Hasher(), 0
        with ThreadPoolExecutor(1) as pool:
            hashing = None
            while chunk := source.read(CHUNK):
                if hashing is not None:
                    hashing.result()
                hashing = pool.submit(hasher.update, chunk)
                offset = write_all(self._files, fd, [chunk], offset)
            if hashing is not None:
                hashing.result()
        return hasher.digest()

    def _move(self, temporary: Path, target: Path) -> None:
        self._claim(Digest(f"b3:{target.name}"))
        target.parent.mkdir(exist_ok=True)
        self._files.rename(temporary, target)
        with self._lock:
            self._unsynced |= {target.parent, self._folder}


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file in pieces."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def cloned(source: int, target: int) -> bool:
    """Make an empty file share the blocks of another one; False where the file system cannot."""
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        return False
    return True


def damaged(digest: Digest, where: str) -> StoreError:
    """The error for an object whose bytes are not its own."""
    return StoreError(
        f"the object {digest} is damaged",
        cause=f"the bytes in {where} have another digest",
        cure="mulle data verify lists what is damaged; put the same data again, or restore it from a backup",
    )


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_ino, status.st_mtime_ns, status.st_size)
