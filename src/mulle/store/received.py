"""Objects that come from another machine: written beside their place, verified, then moved there."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from mulle.errors import StoreError
from mulle.hashing import digest_file
from mulle.store.files import explained
from mulle.types import Digest

Fetch = Callable[[int], Iterator[bytes]]
"""Gives an object's bytes from an offset on, in pieces."""
_RESUMABLE = 8 << 20


class Received:
    """A local cache of objects as files. It may be deleted at any time. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "objects"
        self._partial = folder / "partial"
        self._verified: dict[Digest, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def path(self, digest: Digest, size: Callable[[], int], fetch: Fetch) -> Path:
        """The object's file, verified once for each (inode, mtime, size); it is fetched where it is missing.

        What is damaged there is damaged here: nothing is kept of it.
        """
        path = self._folder / digest[3:5] / digest[3:]
        if not self._is_sound(path, digest):
            path.unlink(missing_ok=True)
            self._fetch(path, digest, size(), fetch)
            self._is_sound(path, digest)
        return path

    def _fetch(self, path: Path, digest: Digest, size: int, fetch: Fetch) -> None:
        """Fetch an object into a file; what came before a cut or a kill is not fetched again, where it was much."""
        with explained(f"writing {digest}", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.mkdir(parents=True, exist_ok=True)
            with self._begun(digest) as file:
                partial = Path(file.name)
                try:
                    for piece in fetch(file.tell()) if file.tell() < size else ():
                        file.write(piece)
                    file.flush()
                    refuse_other(digest, digest_file(partial), "what arrived")
                except BaseException:
                    if size < _RESUMABLE or file.tell() >= size or not self._is_shared(partial):
                        partial.unlink(missing_ok=True)
                    raise
                partial.chmod(0o444)
                partial.replace(path)

    def _begun(self, digest: Digest) -> IO[bytes]:
        """The file that the object is written to, at its end; one of our own while another process writes to it."""
        file = (self._partial / digest[3:]).open("ab")
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), Path(file.name).stat()):
                return file
        except (BlockingIOError, FileNotFoundError):
            pass
        file.close()
        return (self._partial / f"{digest[3:]}.{os.getpid()}-{os.urandom(6).hex()}").open("xb")

    def _is_shared(self, partial: Path) -> bool:
        return not partial.suffix

    def _is_sound(self, path: Path, digest: Digest) -> bool:
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            with self._lock:
                known = self._verified.get(digest) == stamp
            if not known and digest_file(path) != digest:
                return False
        except FileNotFoundError:
            return False
        with self._lock:
            self._verified[digest] = stamp
        return True


def refuse_other(expected: Digest, found: Digest, where: str) -> None:
    """Raise a StoreError when bytes are not those that were meant."""
    if found != expected:
        raise StoreError(
            f"the object {expected} is damaged: {where} has another digest",
            cause=f"its digest is {found}",
            cure="repeat the command; if it says so again, the object is damaged where it came from: mulle data verify",
        )
