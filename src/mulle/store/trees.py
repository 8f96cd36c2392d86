"""Folders as trees of the store, and trees as folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mulle.errors import StoreError
from mulle.hashing import from_raw, to_raw
from mulle.hashing.tree import Entry, Summary, file_entry, folder_entry, put_directory
from mulle.store.files import explained
from mulle.store.port import ObjectStore
from mulle.store.tree import Trees
from mulle.types import Digest


def put_tree(store: ObjectStore, path: Path) -> Digest:
    """Keep a folder's files and return the digest of its tree. A file is a tree of one.

    Links are followed; empty folders are not kept.

    Raises:
        StoreError: a file cannot be read, a link leads nowhere or back to a folder that it is in, or something is
            neither file nor folder.
    """
    with explained(f"reading {path}", path):
        if path.is_file():
            summary = put_directory([_put_entry(store, path)], store.put)
        else:
            summary = _put_folder(store, path, (path.stat(),)) or put_directory([], store.put)
    return from_raw(summary.raw)


def _put_folder(store: ObjectStore, folder: Path, above: tuple[os.stat_result, ...]) -> Summary | None:
    """The folder's nodes are stored; None where no file is in it."""
    entries: list[Entry] = []
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if path.is_dir():
            check_loop(path, above)
            below = _put_folder(store, path, (*above, path.stat()))
            if below is not None:
                entries.append(folder_entry(os.fsencode(path.name), below))
        else:
            entries.append(_put_entry(store, path))
    return put_directory(entries, store.put) if entries else None


def check_loop(path: Path, above: tuple[os.stat_result, ...]) -> None:
    """Refuse a link to a folder that it lies in."""
    if path.is_symlink() and any(os.path.samestat(path.stat(), each) for each in above):
        raise StoreError(
            f"the link {path} leads back to a folder that it is in",
            cause="a tree cannot hold itself",
            cure=f"rm '{path}'",
        )


def refuse_odd(path: Path) -> StoreError:
    """The error for what cannot be kept: a link that leads nowhere, a socket, a device."""
    if path.is_symlink():
        return StoreError(
            f"the link {path} leads nowhere", cause="links are followed", cure=f"mend the link, or: rm '{path}'"
        )
    return StoreError(
        f"{path} is neither a file nor a folder", cause="only files can be kept", cure="move it elsewhere"
    )


def _put_entry(store: ObjectStore, path: Path) -> Entry:
    if not path.is_file():
        raise refuse_odd(path)
    executable = bool(path.stat().st_mode & 0o100)
    digest = store.put_file(path)
    return file_entry(os.fsencode(path.name), to_raw(digest), store.size(digest), executable=executable)


def get_tree(store: ObjectStore, digest: Digest, into: Path) -> None:
    """Write a tree's files below `into`, which is made where it is missing; files of the same names are replaced.

    Raises:
        StoreError: the tree names a path outside itself, or an object is missing or damaged.
    """
    trees = Trees(store)
    for path, entry in list(trees.walk(trees.root(digest))):  # all nodes are read and checked before a file is written
        target = into / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".mulle-{os.getpid()}-{os.urandom(4).hex()}")
        shutil.copyfile(store.path(entry.digest), temporary)
        temporary.chmod(entry.mode)
        temporary.replace(target)
    into.mkdir(parents=True, exist_ok=True)
