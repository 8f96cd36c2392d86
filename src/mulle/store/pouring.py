"""A file that is hashed while it is written: for what is made piece by piece and never held whole."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from mulle.hashing import Hasher
from mulle.store.files import Files, write_all

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from mulle.types import Digest

_PIECE = 4 << 20
"""While one piece is written, another thread hashes it; smaller ones are not worth the other thread."""


class Sink:
    """What is poured in is appended to a file and hashed. Used as a context manager, by one thread."""

    closed = False

    def __init__(self, fd: int, files: Files) -> None:
        self._fd = fd
        self._files = files
        self._hasher = Hasher()
        self._hashing: Future[None] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self.size = 0

    def write(self, data: Buffer) -> int:
        """Append the bytes; they are not kept, and may be changed when this returns."""
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), _PIECE):
            piece = whole[start : start + _PIECE]
            if len(piece) == _PIECE:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1)
                self._await()
                self._hashing = self._pool.submit(self._hasher.update, piece)
                self.size = write_all(self._files, self._fd, [piece], self.size)
            else:
                self._await()
                self._hasher.update(piece)
                self.size = write_all(self._files, self._fd, [piece], self.size)
        self._await()
        return len(whole)

    def flush(self) -> None:
        """Nothing waits."""

    def digest(self) -> Digest:
        """The digest of all that was written."""
        return self._hasher.digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _await(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None
