"""The verbs on working copies: add, status, checkout; for datasets of files and for tables kept in one file."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data import files, manifest, reading, refs, resolving, versions
from mulle.data.working.copies import FOLDER, Asked, Copies
from mulle.data.working.index import Origin
from mulle.data.working.model import Added, CheckedOut, Examples, Status
from mulle.errors import DataError
from mulle.hashing import digest_file
from mulle.hashing.tree import shown
from mulle.store import LocalStore
from mulle.store.files import Files, explained
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.store import ObjectStore


@dataclass
class Desk:
    """The working copies of a workspace."""

    catalog: Catalog
    store: ObjectStore

    @cached_property
    def copies(self) -> Copies:
        """Their indexes lie in the store's folder; those of a store without one last as long as this object."""
        if isinstance(self.store, LocalStore):
            return Copies(self.store, self.store.root / FOLDER)
        scratch = Path(tempfile.mkdtemp(prefix="mulle-working-"))
        weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        return Copies(self.store, scratch)

    def add(self, dataset: str, path: Path) -> Added:
        """See `DataService.add`."""
        refs.require_dataset(dataset)
        head = self._head(dataset)
        if head is not None and head.kind == "table":
            raise DataError(
                f"dataset '{dataset}' is a table, which is not staged",
                cause="only files are",
                cure=f"mulle data commit {dataset} {path} -m MESSAGE",
            )
        return self.copies.add(dataset, path)

    def status(self, dataset: str, path: Path) -> Status:
        """See `DataService.status`."""
        head = self._head(dataset)
        if head is not None and head.kind == "table":
            return self._status_of_table(dataset, path)
        return self.copies.status(dataset, path, None if head is None else self._origin(head))

    def checkout(self, ref: str, path: Path, parts: Sequence[str], *, force: bool, link: bool) -> CheckedOut:
        """See `DataService.checkout`."""
        with self.catalog.read() as tx:
            version = resolving.resolve(tx, ref)
        held = manifest.load(self.store, version.digest)
        if isinstance(held, manifest.FilesManifest):
            asked = Asked(version.ref, version.dataset, version.number, held.tree, parts, force, link)
            return self.copies.checkout(asked, path)
        if parts or link:
            raise DataError(
                f"{version.ref} is a table: it is written whole",
                cause="parts and links are for datasets of files",
                cure=f"mulle data checkout {version.ref} {path}",
            )
        return self._write_table(version, path, force=force)

    def stage(self, dataset: str, path: Path) -> Digest:
        """The tree of what is at a path now; all of it is in the store.

        Raises:
            DataError: only parts of a version were checked out there.
        """
        staged = self.copies.stage(dataset, path)
        if staged.origin is not None and staged.origin.parts:
            raise DataError(
                f"{path} holds only parts of {dataset}@{staged.origin.version}",
                cause=f"only {', '.join(staged.origin.parts)} was checked out; a commit would remove all other files",
                cure=f"mulle data checkout {dataset}@{staged.origin.version} {path}, then commit",
            )
        return staged.tree

    def committed(self, version: Version, path: Path, content: Digest) -> None:
        """What is at a path is this version now: a tree, or a table's file of that digest."""
        self.copies.committed(version.dataset, path, version.number, content)

    def _head(self, dataset: str) -> Version | None:
        with self.catalog.read() as tx:
            return versions.find_head(tx, dataset)

    def _origin(self, version: Version) -> Origin:
        held = manifest.load(self.store, version.digest)
        assert isinstance(held, manifest.FilesManifest)
        return Origin(version.number, held.tree, [])

    # -- tables: one file, written anew ------------------------------------------------------------------------------

    def _write_table(self, version: Version, path: Path, *, force: bool) -> CheckedOut:
        target = path if path.suffix else path / f"{version.dataset}.parquet"
        with self.copies.index(target) as index, index.locked():
            known = index.origin(version.dataset)
            if not force and target.is_file() and (known is None or digest_file(target) != known.tree):
                raise DataError(
                    f"checking out {version.ref} would overwrite {target}",
                    cause="its content is in no version that was checked out there",
                    cure=f"commit it first (mulle data commit {version.dataset} {target}), or give --force",
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".mulle-{os.getpid()}-{time.time_ns():x}{target.suffix}")
            with explained(f"writing {target}", target.parent):
                try:
                    files.write_table_file(reading.read_version(self.store, version.digest), temporary)
                    index.set_origin(version.dataset, version.number, digest_file(temporary))
                    Files().rename(temporary, target)
                finally:
                    temporary.unlink(missing_ok=True)
        return CheckedOut(
            ref=version.ref, path=shown(os.fsencode(target)), kind="table", written=1, removed=0, unchanged=0
        )

    def _status_of_table(self, dataset: str, path: Path) -> Status:
        with self.copies.index(path) as index:
            known = index.origin(dataset)
        if known is None:
            raise DataError(
                f"it is not known which version of '{dataset}' {path} comes from",
                cause="it was neither committed from there nor checked out there",
                cure=f"mulle data commit {dataset} {path}, which makes no version where nothing changed",
            )
        removed = [] if path.is_file() else [path.name]
        changed = [path.name] if not removed and digest_file(path) != known.tree else []
        return Status(
            dataset=dataset,
            path=shown(os.fsencode(path)),
            version=known.version,
            clean=not removed and not changed,
            added=0,
            removed=len(removed),
            changed=len(changed),
            examples=Examples(removed=removed, changed=changed),
        )
