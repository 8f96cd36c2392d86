"""Taking files in: reading and hashing each once, and keeping its bytes where that is asked."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from mulle.errors import StoreError
from mulle.hashing import digest_file, from_raw, to_raw
from mulle.store.files import explained
from mulle.store.local import LocalStore
from mulle.store.port import ObjectStore
from mulle.types import Digest

LARGE = 1 << 20
"""A file of more bytes is not held in memory."""
_TRIES = 3


class Wanted(NamedTuple):
    """A file to take in: its path below the root, and the raw digest of what was there before, where known."""

    path: bytes
    former: bytes = b""


class Taken(NamedTuple):
    """A file as it was read: its raw digest and what the system said of it before and after, both the same."""

    raw: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    executable: bool


def take(store: ObjectStore | None, root: bytes, wanted: Sequence[Wanted]) -> list[Taken]:
    """Read the files; keep their bytes where a store is given. In the order of `wanted`.

    Raises:
        StoreError: one cannot be read, or does not stop changing.
    """
    found: list[Taken | None] = []
    held: list[bytes] = []
    places: list[int] = []
    for path, _ in wanted:
        data, status = _read(root + b"/" + path)
        found.append(None if data is None else taken_of(b"" if store else blake3(data).digest(), status))
        if data is not None and store is not None:
            held.append(data)
            places.append(len(found) - 1)
    for at, raw in zip(places, _keep(store, held), strict=True):
        found[at] = found[at]._replace(raw=raw)  # type: ignore[union-attr]
    return [
        _take_large(store, root + b"/" + each.path, each.former) if taken is None else taken
        for each, taken in zip(wanted, found, strict=True)
    ]


def _keep(store: ObjectStore | None, held: list[bytes]) -> list[bytes]:
    if isinstance(store, LocalStore):
        return store.keep_many(held)
    return [] if store is None else [to_raw(store.put(data)) for data in held]


def _read(path: bytes) -> tuple[bytes | None, os.stat_result]:
    """A file's bytes, None where it is large, with what did not change while they were read."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        for _ in range(_TRIES):
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise StoreError(f"{os.fsdecode(path)} is no file any more", cure="run the command again")
            if before.st_size > LARGE:
                return None, before
            data = os.pread(fd, before.st_size + 1, 0)
            after = os.fstat(fd)
            if len(data) == after.st_size and _stamp(before) == _stamp(after):
                return data, after
    except OSError:
        with explained(f"reading {os.fsdecode(path)}", _path(path)):
            raise
    finally:
        if fd >= 0:
            os.close(fd)
    raise _restless(path)


def _take_large(store: ObjectStore | None, path: bytes, former: bytes) -> Taken:
    for _ in range(_TRIES):
        with explained(f"reading {os.fsdecode(path)}", _path(path)):
            before = _path(path).stat()
            digest = digest_file(_path(path)) if store is None else _put_large(store, path, former)
            after = _path(path).stat()
        if _stamp(before) == _stamp(after):
            return taken_of(to_raw(digest), after)
    raise _restless(path)


def taken_of(raw: bytes, status: os.stat_result) -> Taken:
    """A file of a digest, as the system speaks of it."""
    return Taken(
        raw,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        bool(status.st_mode & stat.S_IXUSR),
    )


def _put_large(store: ObjectStore, path: bytes, former: bytes) -> Digest:
    if former and isinstance(store, LocalStore):
        return store.put_file(_path(path), former=from_raw(former))
    return store.put_file(_path(path))


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _restless(path: bytes) -> StoreError:
    return StoreError(
        f"{os.fsdecode(path)} changes while it is read",
        cause="somebody is writing to it",
        cure="wait until it is written, then run the command again",
    )
