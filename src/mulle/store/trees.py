"""Directories as objects: each file an object, and one manifest that names them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from mulle.errors import StoreError
from mulle.hashing import TreeEntry, decode_manifest, encode_manifest
from mulle.hashing.tree import EXECUTABLE, PLAIN
from mulle.store.port import ObjectStore
from mulle.types import Digest


def put_tree(store: ObjectStore, path: Path) -> Digest:
    """Keep a directory's files (links are followed) and return the digest of its manifest. A file is a tree of one."""
    if path.is_file():
        entries = [_put_entry(store, path, path.name)]
    else:
        files = sorted(found for found in path.rglob("*") if found.is_file())
        entries = [_put_entry(store, file, file.relative_to(path).as_posix()) for file in files]
    return store.put(encode_manifest(entries))


def _put_entry(store: ObjectStore, file: Path, name: str) -> TreeEntry:
    status = file.stat()
    mode = EXECUTABLE if status.st_mode & 0o100 else PLAIN
    digest = store.put_file(file)
    return TreeEntry(name, digest, store.size(digest), mode)


def get_tree(store: ObjectStore, digest: Digest, into: Path) -> None:
    """Write a tree's files below `into`, which is made where it is missing; files of the same names are replaced.

    Raises:
        StoreError: the manifest names a path outside the tree, or an object is missing or damaged.
    """
    entries = decode_manifest(store.get(digest))
    for entry in entries:
        _check_inside(entry.path)
    into.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        target = into / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(store.path(entry.digest), temporary)
        temporary.chmod(entry.mode)
        temporary.replace(target)


def _check_inside(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise StoreError(
            f"the tree names the path '{path}'",
            cause="a tree's paths lie inside it",
            cure="do not use this tree: it was forged",
        )
