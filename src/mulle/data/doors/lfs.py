"""The door from git-lfs: a repository's large files become a dataset, a version for each revision that changed them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.data.doors import history
from mulle.data.doors.git import AT_ONCE, Blob, Files, Repository, Revision
from mulle.data.doors.keeping import LARGE, Keeper, Wanted
from mulle.errors import DataError
from mulle.hashing import TreeEntry
from mulle.hashing.tree import EXECUTABLE, PLAIN

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.model import ImportedDataset
    from mulle.store import ObjectStore
    from mulle.types import Digest

_LONGEST = 1024
"""A pointer is shorter than this, says the specification of git-lfs."""
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_SHOWN = 6


_Tree = tuple[tuple[str, str, int, bool], ...]
"""Path, sha256, length and whether it is executable of each file."""


class _Pointers:
    """The large files of a repository's revisions: by path, the sha256, the length and whether it is executable."""

    def __init__(self, repository: Repository, under: str) -> None:
        self._repository = repository
        self._under = under
        self._folders: dict[str, Files] = {}
        self._targets: dict[str, tuple[str, int] | None] = {}

    def learn(self, revisions: list[Revision]) -> None:
        """Find out which files of many revisions are pointers, reading each small content once."""
        blobs: dict[str, Blob] = {}
        for start in range(0, len(revisions), AT_ONCE):
            some = revisions[start : start + AT_ONCE]
            self._repository.look_ahead([revision.tree for revision in some], self._folders)
            blobs |= {blob.id: blob for revision in some for blob in self._files(revision).values()}
        sizes = self._repository.sizes(list(blobs.values()))
        small = [id_ for id_ in blobs if sizes.get(id_, _LONGEST) < _LONGEST]
        self._targets |= dict(zip(small, map(_target, self._repository.read_all(small)), strict=True))

    def of(self, revision: Revision) -> _Tree | None:
        """Path, sha256, length, executable of each large file, by path; None where there is none."""
        found = [
            (path.removeprefix(self._under), *target, blob.executable)
            for path, blob in self._files(revision).items()
            if path.startswith(self._under) and (target := self._targets.get(blob.id)) is not None
        ]
        return tuple(sorted(found)) or None

    def _files(self, revision: Revision) -> Files:
        return self._repository.files(revision.tree, lambda name: True, self._folders)  # noqa: ARG005 - all of them


def _target(data: bytes) -> tuple[str, int] | None:
    match = _POINTER.fullmatch(data)
    return None if match is None else (match[1].decode(), int(match[2]))


def import_lfs(
    catalog: Catalog, store: ObjectStore, path: Path, wanted: Wanted, now: datetime
) -> list[ImportedDataset]:
    """Take in the files that git-lfs keeps for a repository, or for a folder in it. git-lfs itself is not needed.

    Args:
        catalog: where the dataset comes to be: named as the folder, or as wanted.
        store: where its files are kept.
        path: the repository's folder, or one in it: then only the files in it.
        wanted: which revisions.
        now: not used; a repository of git-lfs has a history.

    Raises:
        DataError: it is no git repository, has no such files, or lacks some of their contents.
    """
    del now
    with Repository(path) as repository:
        under = path.resolve().relative_to(repository.folder.resolve()).as_posix()
        pointers = _Pointers(repository, "" if under == "." else f"{under}/")
        revisions, tips = repository.past(wanted.rev, all_revs=wanted.all_revs)
        pointers.learn(revisions)
        found = history.lines(revisions, pointers.of)
        if not found.changes:
            raise DataError(
                f"{path} has no files of git-lfs",
                cause="no revision has a pointer file",
                cure="git lfs ls-files --all; for files that git keeps itself: mulle data import files PATH",
            )
        objects = repository.lfs_folder()
    loader = _Loader(Keeper(catalog, store), objects)
    trees = {change.revision.id: pointers.of(change.revision) or () for change in found.changes}
    missing = loader.missing({file[1:3] for tree in trees.values() for file in tree})
    lacking = [id_ for id_, tree in trees.items() if not missing.isdisjoint(file[1] for file in tree)]
    if lacking and not wanted.skip_missing:
        raise _not_there(trees, missing)
    stored = {id_: loader.store(tree) for id_, tree in trees.items() if id_ not in lacking}
    loader.keeper.flush()
    name = wanted.name or path.resolve().name
    done = history.publish(
        catalog, name, found=found, stored=stored, tips=tips, origin={"door": "lfs", "source": str(path)}
    )
    return [msgspec.structs.replace(done, source=str(path), left_out=lacking)]


def _not_there(trees: Mapping[str, _Tree], missing: set[str]) -> DataError:
    paths = sorted({file[0] for tree in trees.values() for file in tree if file[1] in missing})
    more = f", and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return DataError(
        f"the repository lacks {len(missing)} content{'s' * (len(missing) > 1)} of git-lfs",
        cause=f"what some revisions have at {', '.join(paths[:_SHOWN])}{more} is not in .git/lfs/objects",
        cure="bring them: git lfs fetch --all; or leave those versions out: --skip-missing",
    )


class _Loader:
    """Brings contents from git-lfs's folder into the store."""

    def __init__(self, keeper: Keeper, objects: Path) -> None:
        self.keeper = keeper
        self._objects = objects

    def missing(self, wanted: set[tuple[str, int]]) -> set[str]:
        """The sha256s of contents that are neither here nor there."""
        self.keeper.ask(("sha256", oid) for oid, _ in wanted)
        unknown = [oid for oid, _ in wanted if self.keeper.find(("sha256", oid)) is None]
        return {oid for oid in unknown if not self._path(oid).is_file()}

    def store(self, tree: _Tree) -> history.Stored:
        """The files as a tree."""
        entries = [
            TreeEntry(path, *self._bring(oid), EXECUTABLE if executable else PLAIN) for path, oid, _, executable in tree
        ]
        return history.stored(self.keeper.store, entries)

    def _bring(self, oid: str) -> tuple[Digest, int]:
        alias = ("sha256", oid)
        return self.keeper.find(alias) or self.keeper.keep(alias, self._checked(oid))

    def _checked(self, oid: str) -> Path | bytes:
        path = self._path(oid)
        data = path.read_bytes() if path.stat().st_size <= LARGE else None
        with path.open("rb") as file:
            found = sha256(data).hexdigest() if data is not None else file_digest(file, "sha256").hexdigest()
        if found != oid:
            raise DataError(
                f"{path} is damaged",
                cause="its bytes have another sha256 than its name says",
                cure="remove that file, then: git lfs fetch --all",
            )
        return path if data is None else data

    def _path(self, oid: str) -> Path:
        return self._objects / oid[:2] / oid[2:4] / oid
