"""Working copies that pointer files tell of: made, compared and brought to what the pointers say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mulle.data import manifest, pointers, resolving, versions
from mulle.data.committing import Committer, What
from mulle.data.doors.gitignore import ignore
from mulle.data.pointers import Pointer
from mulle.data.working.copies import Asked
from mulle.data.working.index import Origin
from mulle.errors import DataError, UsageError
from mulle.hashing import digest_file
from mulle.store.tree import files_of

if TYPE_CHECKING:
    from mulle.data.model import Version
    from mulle.data.working.desk import Desk

State = Literal["clean", "modified", "missing", "other version", "not here"]


class Pointed(msgspec.Struct, frozen=True, kw_only=True):
    """A pointer file and what lies beside it.

    `version` is what the pointer says, None where that is not in this workspace; `at` what the copy comes from. Files
    are counted against the latter.
    """

    file: str
    path: str
    dataset: str
    state: State
    version: int | None
    at: int | None = None
    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True)
class PointedCopies:
    """Working copies with pointer files beside them."""

    desk: Desk
    committer: Committer

    def add(self, path: Path, name: str = "", message: str = "") -> Pointed:
        """Make what is at a path a version, write the pointer file beside it, and have git ignore the path.

        A table's file is kept as the file that it is. What the pointer says already makes no version.

        Args:
            path: a folder or file.
            name: the dataset; the one of the pointer that is there, or else the path's own name.
            message: what the version is.

        Raises:
            DataError: there is nothing at the path, or another path's dataset has that name.
        """
        file = pointers.pointer_file(path)
        before = pointers.read(file) if file.is_file() else None
        version = self._commit(path, before, name, message)
        pointer = self._pointer(version)
        if before is None or (before.name, before.version) != (pointer.name, pointer.version):
            file.write_text(pointers.render(pointer), "utf-8")
        ignore(path)
        return self.state(file)

    def _commit(self, path: Path, before: Pointer | None, name: str, message: str) -> Version:
        name = name or (before.name if before is not None else path.name)
        head = self.committer.publisher.find_head(name)
        if before is None and head is not None:
            with self.desk.copies.index(path) as index:
                known = index.origin(name)
            if known is None:
                raise DataError(
                    f"there is a dataset '{name}' already, and {path} does not come from it",
                    cause="without a pointer file it is not known whether they belong together",
                    cure=f"mulle data add {path} --name ANOTHER, or first: mulle data commit {name} {path}",
                )
        if before is not None and before.kind == "table":
            return self.committer.commit(name, path, What(message))
        if before is not None and before.name == name and self.desk.stage(name, path) == before.logical:
            found = self._find(before)
            if found is not None:
                return found
        return self.committer.commit(name, path, What(message, as_files=True))

    def write(self, version: Version, path: Path) -> Path:
        """Write the pointer to a version that was committed from a path; the pointer file."""
        file = pointers.pointer_file(path)
        file.write_text(pointers.render(self._pointer(version)), "utf-8")
        ignore(path)
        return file

    def _pointer(self, version: Version) -> Pointer:
        held = manifest.load(self.desk.store, version.digest)
        return pointers.pointer_of(version, held.files if isinstance(held, manifest.FilesManifest) else 0)

    def states(self, files: Iterable[Path]) -> list[Pointed]:
        """What lies beside pointer files."""
        return [self.state(file) for file in files]

    def state(self, file: Path) -> Pointed:
        """What lies beside a pointer file."""
        pointer, path = pointers.read(file), pointers.data_path(file)
        version = self._find(pointer)
        with self.desk.copies.index(path) as index:
            origin = index.origin(pointer.name)
        found = Pointed(
            file=str(file),
            path=str(path),
            dataset=pointer.name,
            state="missing" if version is not None else "not here",
            version=None if version is None else version.number,
            at=None if origin is None else origin.version,
        )
        if not path.exists():
            return found
        added, removed, changed = self._changes(pointer, version, path, origin)
        found = msgspec.structs.replace(found, added=added, removed=removed, changed=changed)
        if version is None:
            return found
        state: State = "modified" if added or removed or changed else "clean"
        if state == "clean" and found.at is not None and not self._same(pointer, version, found.at):
            state = "other version"
        return msgspec.structs.replace(found, state=state)

    def _changes(
        self, pointer: Pointer, version: Version | None, path: Path, origin: Origin | None
    ) -> tuple[int, int, int]:
        if pointer.kind == "table":
            same = origin is not None and path.is_file() and digest_file(path) == origin.tree
            return 0, 0, 0 if same else 1
        head = None
        if version is not None:
            held = manifest.load(self.desk.store, version.digest)
            assert isinstance(held, manifest.FilesManifest)
            head = Origin(version.number, held.tree, [])
        found = self.desk.copies.status(pointer.name, path, head)
        return found.added, found.removed, found.changed

    def _same(self, pointer: Pointer, version: Version, at: int) -> bool:
        """Whether a copy of another number has the content that the pointer says all the same."""
        with self.desk.catalog.read() as tx:
            return versions.numbered(tx, pointer.name, at).logical == version.logical

    def checkout(self, files: Iterable[Path], *, force: bool = False) -> list[Pointed]:
        """Bring what lies beside pointer files to the versions that they say; only files that differ are written.

        Raises:
            DataError: a version is not in this workspace, or changes that are in no version would be lost; copies
                before that one are done.
        """
        found: list[Pointed] = []
        for file in files:
            pointer, path = pointers.read(file), pointers.data_path(file)
            version = self._find(pointer)
            if version is None:
                raise DataError(
                    f"{file} says a version of '{pointer.name}' that is not in this workspace: {pointer.version[:15]}",
                    cause="somebody committed it elsewhere" + (f": {pointer.message}" if pointer.message else ""),
                    cure=f"mulle data pull {pointer.name} REMOTE",
                )
            self._bring(version, path, force=force)
            found.append(self.state(file))
        return found

    def _bring(self, version: Version, path: Path, *, force: bool) -> None:
        held = manifest.load(self.desk.store, version.digest)
        if not isinstance(held, manifest.FilesManifest):
            self.desk.checkout(version.ref, path, (), force=force, link=False)
            return
        alone = held.files == 1 and not path.is_dir() and next(files_of(self.desk.store, held.tree)).path == path.name
        asked = Asked(version.ref, version.dataset, version.number, held.tree, (), force, link=False, alone=alone)
        self.desk.copies.checkout(asked, path)

    def _find(self, pointer: Pointer) -> Version | None:
        """The version that a pointer says; None where it is not in this workspace."""
        try:
            with self.desk.catalog.read() as tx:
                return resolving.resolve(tx, pointer.ref)
        except (DataError, UsageError):
            return None
