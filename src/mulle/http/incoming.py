"""Objects that arrive in pieces: each a file that grows, until it is whole and what its name says."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mulle.errors import DataError, StoreError, UsageError
from mulle.store.files import explained
from mulle.types import Digest

RESERVE = 256 << 20
"""So many bytes of the disk are left free."""
_OLD_SECONDS = 7 * 24 * 3600.0


class Incoming:
    """Files that are being received, in a folder of their own. Threads and processes may share it."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder, one in the system's place for temporary files, made when it is first needed."""
        self._given = folder

    def received(self, digest: Digest) -> int:
        """How many bytes of an object have arrived."""
        try:
            return (self._folder() / digest[3:]).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def piece(self, digest: Digest, start: int, length: int) -> Iterator[IO[bytes]]:
        """The file of an object, at `start`, to write the next `length` bytes to; what followed there goes.

        Raises:
            DataError: another request writes to it, or it ends before `start`.
            StoreError: the disk has no room for so much.
        """
        with explained("receiving an object", self._folder()):
            self.require_room(length)
            with (self._folder() / digest[3:]).open("ab") as file:
                try:
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise DataError(
                        f"{digest} is being received already", cause="another request sends it", cure="try again later"
                    ) from None
                there = file.tell()
                if there < start:
                    raise DataError(
                        f"{digest} has arrived up to byte {there}",
                        cause=f"this piece begins at byte {start}",
                        cure=f"GET /objects/{digest}/received says where to go on",
                    )
                os.ftruncate(file.fileno(), start)  # a piece that comes again: its answer was lost
                try:
                    yield file
                    file.flush()
                except BaseException:
                    file.flush()
                    os.ftruncate(file.fileno(), start)
                    raise

    @contextmanager
    def whole(self) -> Iterator[Path]:
        """A file for what arrives in one request; it goes with the block."""
        with explained("receiving an object", self._folder()):
            fd, name = tempfile.mkstemp(prefix="whole-", dir=self._folder())
        os.close(fd)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def path(self, digest: Digest) -> Path:
        """The file of an object that arrives in pieces."""
        return self._folder() / digest[3:]

    def drop(self, digest: Digest) -> None:
        """Forget what arrived of an object."""
        self.path(digest).unlink(missing_ok=True)

    def require_room(self, length: int) -> None:
        """Refuse what the disk has no room for.

        Raises:
            StoreError: says how much there is.
        """
        free = shutil.disk_usage(self._folder()).free
        if length > free - RESERVE:
            raise StoreError(
                f"{length:,} bytes cannot be received",
                cause=f"the server's disk has {free:,} left",
                cure=f"free space on the disk of {self._folder()} (df -h {self._folder()})",
            )

    def _folder(self) -> Path:
        if self._given is None:
            self._given = Path(tempfile.mkdtemp(prefix="mulle-incoming-"))
        if not self._given.is_dir():
            self._given.mkdir(parents=True, exist_ok=True)
        return self._given

    def sweep(self) -> None:
        """Delete what was begun long ago and never finished."""
        for path in self._folder().iterdir():
            try:
                if time.time() - path.stat().st_mtime > _OLD_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue


def content_range(text: str) -> tuple[int, int, int]:
    """Start, length and total from a `content-range` header.

    Raises:
        UsageError: it is not `bytes START-END/TOTAL`.
    """
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    first, _, last = span.partition("-")
    if unit != "bytes" or not (first.isdigit() and last.isdigit() and total.isdigit()):
        raise _no_range(text)
    start, length, whole = int(first), int(last) - int(first) + 1, int(total)
    if length <= 0 or start + length > whole:
        raise _no_range(text)
    return start, length, whole


def _no_range(text: str) -> UsageError:
    return UsageError(
        f"'{text}' is not a content-range",
        cause="the form is 'bytes START-END/TOTAL', END included",
        cure="send for example: content-range: bytes 0-8388607/20000000",
    )
