"""Reading some columns of a table that lies on a remote, without pulling it.

A large part is a Parquet object whose columns lie apart: its footer and the columns that are asked for are fetched into
a file of the object's length, the rest of which is a hole. Smaller objects are fetched whole, and verified. What was
read by range cannot be verified by the object's digest.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.errors import StoreError

if TYPE_CHECKING:
    from mulle.store import Damage, ObjectStore
    from mulle.store.remote import RemoteStore
    from mulle.types import Digest

_TAIL = 64 << 10
_END = b"PAR1"


class Projected:
    """An `ObjectStore` to read a table's version from: local objects, and those of a remote. Nothing is kept."""

    def __init__(self, local: ObjectStore, remote: RemoteStore, columns: Sequence[str]) -> None:
        """`columns` are those that will be read of large parts."""
        self._local = local
        self._remote = remote
        self._columns = frozenset(columns)
        self._folder = Path(tempfile.mkdtemp(prefix="mulle-projected-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def get(self, digest: Digest) -> bytes:
        return self._local.get(digest) if self._local.has(digest) else self._remote.get(digest)

    def path(self, digest: Digest) -> Path:
        if self._local.has(digest):
            return self._local.path(digest)
        path = self._folder / digest[3:]
        if not path.exists():
            if self._remote.is_large(digest):
                self._fetch_columns(digest, path)
            else:
                path.write_bytes(self._remote.get(digest))
        return path

    def has(self, digest: Digest) -> bool:
        return self._local.has(digest) or self._remote.has(digest)

    def size(self, digest: Digest) -> int:
        return self._local.size(digest) if self._local.has(digest) else self._remote.size(digest)

    def put(self, data: bytes) -> Digest:
        raise _only_read(len(data))

    def put_file(self, path: Path) -> Digest:
        raise _only_read(path.stat().st_size)

    def flush(self) -> None:
        return

    def digests(self) -> Iterator[Digest]:
        yield from self._local.digests()

    def verify(self) -> Iterator[Damage]:
        yield from self._local.verify()

    def _fetch_columns(self, digest: Digest, path: Path) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - start-up time: only reading through needs it

        size = self._remote.size(digest)
        with path.open("wb") as file:
            file.truncate(size)
            start, footer = self._footer(digest, size)
            _write(file, start, footer)
            file.flush()
            described = pq.read_metadata(path)
            for offset, length in _merged(_chunks(described, self._columns)):
                _write(file, offset, self._remote.read_range(digest, offset, length))

    def _footer(self, digest: Digest, size: int) -> tuple[int, bytes]:
        """Where the end of the file that describes it begins, and its bytes."""
        tail = self._remote.read_range(digest, max(0, size - _TAIL), min(size, _TAIL))
        if tail[-4:] != _END:
            raise StoreError(
                f"the object {digest} is no table's part",
                cause="it does not end as Parquet does",
                cure="pull the dataset; what arrives is verified",
            )
        length = int.from_bytes(tail[-8:-4], "little") + 8
        start = size - length
        return start, tail[-length:] if length <= len(tail) else self._remote.read_range(digest, start, length)


def _chunks(described: Any, columns: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The offsets and lengths of the columns' chunks."""
    for group in range(described.num_row_groups):
        row_group = described.row_group(group)
        for place in range(row_group.num_columns):
            chunk = row_group.column(place)
            if chunk.path_in_schema.split(".")[0] in columns:
                first = chunk.dictionary_page_offset or chunk.data_page_offset
                yield min(first, chunk.data_page_offset), chunk.total_compressed_size


def _merged(ranges: Iterator[tuple[int, int]], apart: int = 1 << 16) -> list[tuple[int, int]]:
    """The ranges, those near each other as one."""
    found: list[tuple[int, int]] = []
    for offset, length in sorted(ranges):
        if found and offset - sum(found[-1]) <= apart:
            before = found.pop()
            found.append((before[0], max(sum(before), offset + length) - before[0]))
        else:
            found.append((offset, length))
    return found


def _write(file: Any, offset: int, data: bytes) -> None:
    file.seek(offset)
    file.write(data)


def _only_read(size: int) -> StoreError:
    return StoreError(
        f"{size} bytes cannot be kept here", cause="a remote is only read", cure="commit to a dataset of this workspace"
    )
