"""A tree as one object: the canonical manifest of a directory's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mulle.errors import StoreError
from mulle.hashing.content import digest_bytes
from mulle.types import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
EXECUTABLE = 0o755
PLAIN = 0o644


class TreeEntry(msgspec.Struct, frozen=True):
    """One file of a tree: its relative POSIX path, content, size and mode (0o644, or 0o755 when executable)."""

    path: str
    digest: Digest
    size: int
    mode: int = PLAIN


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    kind: str
    entries: list[TreeEntry]


def encode_manifest(entries: Iterable[TreeEntry]) -> bytes:
    """The canonical bytes of a tree: JSON, entries sorted by the UTF-8 bytes of their paths."""
    ordered = sorted(entries, key=lambda entry: entry.path.encode("utf-8", "surrogatepass"))
    return msgspec.json.encode(_Manifest(FORMAT, "tree", ordered))


def decode_manifest(data: bytes) -> list[TreeEntry]:
    """The entries of a tree manifest.

    Raises:
        StoreError: the bytes are no tree manifest, or one of a newer format.
    """
    try:
        manifest = msgspec.json.decode(data, type=_Manifest)
    except msgspec.MsgspecError as error:
        raise StoreError("not a tree manifest", cause=str(error), cure="name the digest of a tree") from error
    if manifest.kind != "tree" or manifest.format > FORMAT:
        raise StoreError(
            f"a tree manifest of format {manifest.format} ({manifest.kind}) cannot be read",
            cause=f"this version of mulle reads tree manifests up to format {FORMAT}",
            cure="pip install --upgrade mulle",
        )
    return manifest.entries


def digest_tree(entries: Iterable[TreeEntry]) -> Digest:
    """The digest of a tree: that of its manifest."""
    return digest_bytes(encode_manifest(entries))
