"""Digests of bytes, files, values and trees. The code digest is in `mulle.hashing.code`."""

from mulle.hashing.content import Hasher, digest_bytes, digest_file, digest_stream, from_raw, is_digest, to_raw
from mulle.hashing.tree import TreeEntry, decode_manifest, digest_tree, encode_manifest
from mulle.hashing.value import canonical, digest_value

__all__ = [
    "Hasher",
    "TreeEntry",
    "canonical",
    "decode_manifest",
    "digest_bytes",
    "digest_file",
    "digest_stream",
    "digest_tree",
    "digest_value",
    "encode_manifest",
    "from_raw",
    "is_digest",
    "to_raw",
]
