"""Working copies of a workspace: staging what is in a folder, and saying what changed in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mulle.data.working.checkout import Checkout
from mulle.data.working.index import Index, Origin, path_for
from mulle.data.working.model import EXAMPLES, Added, CheckedOut, Examples, Status
from mulle.data.working.plan import plan, refuse_losses
from mulle.data.working.survey import Change, Survey
from mulle.errors import DataError
from mulle.hashing.tree import Entry, shown
from mulle.store.files import Files
from mulle.store.leases import leased
from mulle.store.port import ObjectStore
from mulle.store.tree import Trees, cut_out
from mulle.types import Digest

FOLDER = "working"
"""Where a workspace keeps the indexes of its working copies."""


@dataclass(frozen=True)
class Staged:
    """What is in a working copy now: its tree is in the store. `origin` is the version that the copy comes from."""

    tree: Digest
    origin: Origin | None


@dataclass(frozen=True)
class Asked:
    """A version to check out: its tree, or `parts` of it; see `DataService.checkout`.

    With `alone` the path is that of the one file in it, also where it is not there yet.
    """

    ref: str
    dataset: str
    version: int
    tree: Digest
    parts: Sequence[str] = ()
    force: bool = False
    link: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Copies:
    """The working copies whose indexes lie in `folder`. `processes` limits the workers that read and write files."""

    store: ObjectStore
    folder: Path
    processes: int | None = None
    files: Files = field(default_factory=Files)

    @contextmanager
    def index(self, path: Path) -> Iterator[Index]:
        """The index of the working copy at a path."""
        with contextlib.closing(Index(path_for(self.folder, path))) as index:
            yield index

    def stage(self, dataset: str, path: Path) -> Staged:
        """Take everything that is new at a path into the store.

        Raises:
            DataError: there is nothing at the path.
            StoreError: a file cannot be read, or what is new not be written.
        """
        with leased(self.store), self.index(path) as index, index.locked():
            survey = Survey(self.store, index, path, keep=True, processes=self.processes)
            survey.run()
            assert survey.tree is not None
            return Staged(survey.tree, index.origin(dataset))

    def add(self, dataset: str, path: Path) -> Added:
        """See `DataService.add`."""
        staged = self.stage(dataset, path)
        totals = Trees(self.store).root(staged.tree)
        added, removed, changed = _counts(self.store, staged.origin, staged.tree, totals.files)
        return Added(
            dataset=dataset,
            path=shown(os.fsencode(path)),
            tree=staged.tree,
            files=totals.files,
            bytes=totals.size,
            version=staged.origin.version if staged.origin else None,
            added=added,
            removed=removed,
            changed=changed,
        )

    def status(self, dataset: str, path: Path, head: Origin | None) -> Status:
        """See `DataService.status`; `head` is what to compare with where the copy comes from no version."""
        with self.index(path) as index, index.locked():
            origin = index.origin(dataset) or head
            changes = local_changes(self.store, index, path, origin, processes=self.processes)
        added, removed, changed = _sorted(changes)
        return Status(
            dataset=dataset,
            path=shown(os.fsencode(path)),
            version=origin.version if origin else None,
            clean=not changes and origin is not None,
            added=len(added),
            removed=len(removed),
            changed=len(changed),
            examples=Examples(
                added=added[:EXAMPLES],
                removed=removed[:EXAMPLES],
                changed=changed[:EXAMPLES],
            ),
        )

    def checkout(self, asked: Asked, path: Path) -> CheckedOut:
        """See `DataService.checkout`."""
        with leased(self.store), self.index(path) as index, index.locked():
            origin = index.origin(asked.dataset)
            parts = list(asked.parts)
            if parts and origin is not None and origin.version == asked.version and origin.parts:
                parts = sorted({*parts, *origin.parts})
            tree = cut_out(self.store, asked.tree, [os.fsencode(each) for each in parts]) if parts else asked.tree
            root = path.parent if asked.alone else self._root(path, tree)
            found = plan(self.store, index, path, origin, tree, processes=self.processes)
            if not asked.force:
                refuse_losses(found.lost, asked.ref, path)
            Checkout(self.store, index, root, asked.link, self.processes, self.files).run(found, tree)
            index.set_origin(asked.dataset, asked.version, tree, parts)
        return CheckedOut(
            ref=asked.ref,
            path=shown(os.fsencode(path)),
            kind="files",
            written=len(found.write),
            removed=len(found.remove),
            unchanged=Trees(self.store).root(tree).files - len(found.write),
        )

    def _root(self, path: Path, tree: Digest) -> Path:
        """The folder that the tree's paths are relative to: a file's own, for a tree of that one file."""
        if not path.is_file():
            return path
        trees = Trees(self.store)
        names = [name for name, _ in islice(trees.walk(trees.root(tree)), 2)]
        if names != [os.fsencode(path.name)]:
            raise DataError(
                f"{path} is a file", cause="the version is a folder of other files", cure="give another path"
            )
        return path.parent

    def committed(self, dataset: str, path: Path, version: int, tree: Digest) -> None:
        """The copy at a path is this version now."""
        with self.index(path) as index, index.locked():
            index.set_origin(dataset, version, tree)


def changes_since(store: ObjectStore, origin: Origin | None, tree: Digest) -> list[Change]:
    """The files that differ between what a copy comes from (None: nothing) and a tree."""
    trees = Trees(store)
    before = None if origin is None else trees.root(origin.tree)
    return [Change(*each) for each in trees.diff(before, trees.root(tree))]


def local_changes(
    store: ObjectStore, index: Index, path: Path, origin: Origin | None, *, processes: int | None = None
) -> list[Change]:
    """The files of a working copy that differ from where it comes from, staged or not, sorted by path."""
    survey = Survey(store, index, path, keep=False, processes=processes)
    survey.run()
    tree = index.tree
    found = {each.path: each for each in (changes_since(store, origin, tree) if tree else _all_of(store, origin))}
    for path_, was, now, _ in survey.changes:
        before = found[path_].before if path_ in found else was
        if _same(before, now):
            found.pop(path_, None)
        else:
            found[path_] = Change(path_, before, now)
    return [found[path_] for path_ in sorted(found)]


def _all_of(store: ObjectStore, origin: Origin | None) -> Iterator[Change]:
    """What is to be compared where the index knows nothing: all files of the version are gone, until they are found."""
    if origin is not None:
        trees = Trees(store)
        for path, entry in trees.walk(trees.root(origin.tree)):
            yield Change(path, entry, None)


def _counts(store: ObjectStore, origin: Origin | None, tree: Digest, files: int) -> tuple[int, int, int]:
    """How many files were added, removed and changed since the copy's origin."""
    if origin is None:
        return files, 0, 0
    added, removed, changed = _sorted(changes_since(store, origin, tree))
    return len(added), len(removed), len(changed)


def _same(a: Entry | None, b: Entry | None) -> bool:
    return a == b


def _sorted(changes: list[Change]) -> tuple[list[str], list[str], list[str]]:
    """The paths that were added, removed and changed."""
    added = [shown(each.path) for each in changes if each.before is None]
    removed = [shown(each.path) for each in changes if each.after is None]
    changed = [shown(each.path) for each in changes if each.before is not None and each.after is not None]
    return added, removed, changed
