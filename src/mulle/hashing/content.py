"""BLAKE3-256 of bytes and files, and the two spellings of a digest: `b3:<hex>` and 32 raw bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blake3 import blake3

from mulle.errors import UsageError
from mulle.types import Digest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from typing_extensions import Buffer

CHUNK = 1 << 20
RAW_SIZE = 32
_DIGEST = re.compile(r"b3:[0-9a-f]{64}")


class Hasher:
    """An incremental digest; single-threaded, so that a step stays on the cores it was given."""

    def __init__(self) -> None:
        self._state = blake3()

    def update(self, data: Buffer) -> None:
        self._state.update(data)

    def digest(self) -> Digest:
        return from_raw(self._state.digest())


def digest_bytes(data: Buffer) -> Digest:
    """The digest of `data`."""
    return Digest("b3:" + blake3(data).hexdigest())


def digest_file(path: Path) -> Digest:
    """The digest of a file's bytes, read in pieces."""
    with path.open("rb", buffering=0) as file:
        return digest_stream(file)


def digest_stream(file: BinaryIO) -> Digest:
    """The digest of what is left to read in a file."""
    hasher = Hasher()
    while chunk := file.read(CHUNK):
        hasher.update(chunk)
    return hasher.digest()


def from_raw(raw: bytes) -> Digest:
    """The digest written as 32 raw bytes."""
    return Digest("b3:" + raw.hex())


def to_raw(digest: Digest) -> bytes:
    """The 32 raw bytes of a digest.

    Raises:
        UsageError: the text is not a digest.
    """
    if not is_digest(digest):
        raise UsageError(
            f"'{digest}' is not a digest",
            cause="a digest is 'b3:' and 64 hexadecimal digits",
            cure="copy the digest whole",
        )
    return bytes.fromhex(digest[3:])


def is_digest(text: str) -> bool:
    """Whether the text is spelled as a digest."""
    return _DIGEST.fullmatch(text) is not None
