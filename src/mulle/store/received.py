"""Objects that came from another machine: written beside their place, verified, then moved there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from mulle.errors import StoreError
from mulle.hashing import digest_file
from mulle.store.files import explained
from mulle.types import Digest


class Received:
    """A local cache of objects as files. It may be deleted at any time. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "objects"
        self._verified: dict[Digest, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def path(self, digest: Digest, fetch: Callable[[Path], None]) -> Path:
        """The object's file, verified once for each (inode, mtime, size); `fetch` writes it where it is missing."""
        path = self._folder / digest[3:5] / digest[3:]
        if not self._is_sound(path, digest):
            path.unlink(missing_ok=True)
            self.write(path, digest, fetch)
            self._is_sound(path, digest)
        return path

    def write(self, path: Path, digest: Digest, fetch: Callable[[Path], None]) -> None:
        """Let `fetch` write a file, and move it to `path` only if it is what the digest names."""
        with explained(f"writing {digest}", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name[:16]}.{os.getpid()}-{os.urandom(6).hex()}")
            try:
                fetch(temporary)
                refuse_other(digest, digest_file(temporary), "what arrived")
                temporary.chmod(0o444)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

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
            cure="repeat the command; if it says so again: mulle data verify",
        )
