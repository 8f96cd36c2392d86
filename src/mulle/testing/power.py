"""A disk that forgets what was not synced, as a power cut makes it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from mulle.store.files import Files


class ForgetfulFiles(Files):
    """File operations on a disk that promises no more than the system does.

    Bytes are safe after the sync of their file, names after the sync of their folder. At `cut` the unsafe bytes are
    lost, zeroed or kept, page by page, and unsafe names are lost or kept, as the seed decides. Several stores may share
    one.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._random = random.Random(seed)  # noqa: S311 - a test's choice, not a secret
        self._safe: dict[Path, int] = {}
        self._named: set[Path] = set()

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        self._safe.setdefault(_path_of(fd), 0)
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        self._safe[_path_of(fd)] = os.fstat(fd).st_size

    def truncate(self, fd: int, length: int) -> None:
        super().truncate(fd, length)
        self._safe[_path_of(fd)] = min(self._safe.get(_path_of(fd), length), length)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._safe[target] = self._safe.pop(source, 0)

    def unlink(self, path: Path) -> None:
        """Gone at once: that a name comes back after a cut is not simulated (what comes back is a whole file)."""
        super().unlink(path)
        self._safe.pop(path, None)
        self._named.discard(path)

    def sync_folder(self, folder: Path) -> None:
        self._named |= set(folder.iterdir())

    def cut(self) -> None:
        """Lose what a power cut would; every file is then older than the machine's start."""
        paths = (*self._root.glob("packs/*.pack"), *self._root.glob("objects/*/*"))
        for path in sorted(paths, key=Path.read_bytes):  # by content: the names of packs are random
            is_named = path in self._named and (path.parent.name == "packs" or path.parent in self._named)
            if not is_named and self._random.random() < 0.7:
                path.unlink()
            else:
                self._forget_bytes(path)
        for path in self._root.glob("tmp/*-*"):
            path.unlink()
        self._safe = {path: path.stat().st_size for path in self._safe if path.exists()}

    def _forget_bytes(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        length = self._random.randint(min(self._safe.get(path, 0), len(content)), len(content))
        page = 64
        for start in range(self._safe.get(path, 0), length, page):
            if self._random.random() < 0.5:
                end = min(start + page, length)
                content[start:end] = bytes(end - start)
        path.chmod(0o644)
        path.write_bytes(content[:length])
        os.utime(path, (0, 0))


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()
