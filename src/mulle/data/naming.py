"""The verbs that change what names mean: branches, tags, merges and removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.data import branches, hooks, removing, versions
from mulle.data.model import Merge, Ref, Removed, Version
from mulle.data.refs import MAIN
from mulle.data.seeing import Seeing
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.types import Digest

Refs = list[Ref]


class Naming(Seeing):
    """Which version a name means, and whether it is there at all."""

    @verb("write")
    def branch(self, dataset: str, name: str = "", at: str = "", *, delete: bool = False) -> Refs:
        """Make a branch at a version (main's head by default), or delete one; without a name, list them.

        Raises:
            UsageError: the name is taken, could be read as another form of a version, or is main's.
            UnknownNameError: there is no such dataset, version or branch.
        """
        return branches.change(self._catalog, dataset, "branch", name, at, delete=delete)

    @verb("write")
    def tag(self, dataset: str, name: str = "", at: str = "", *, delete: bool = False) -> Refs:
        """Tag a version (main's head by default), or delete a tag; without a name, list them. A tag does not move.

        Raises:
            DataError: a check of the dataset's definition refuses it.
            UsageError: the name is taken, or could be read as another form of a version.
            UnknownNameError: there is no such dataset, version or tag.
        """
        if name and not delete:
            version = self.resolve(branches.reference(dataset, at))
            self._require(dataset, version.digest, hooks.Change(action="tag", dataset=dataset, tag=name))
        return branches.change(self._catalog, dataset, "tag", name, at, delete=delete)

    @verb("write")
    def merge(self, dataset: str, source: str, into: str = MAIN, message: str = "") -> Merge:
        """Bring what another branch (or any version) has into a branch.

        Where the branch has nothing of its own since they parted, it moves forward. Else a version with two parents is
        made of what both changed.

        Raises:
            MergeConflictError: both changed the same row or file differently; says which.
            DataError: a check of the dataset's definition refuses what comes out.
            UnknownNameError: there is no such dataset, branch or version.
        """
        return branches.merge(self._publisher, branches.Wish(dataset, source, into, message), self._require)

    @verb("write")
    def rm(self, ref: str, *, force: bool = False) -> Removed:
        """Remove a version, or a whole dataset. The ledger keeps who did it and why; `gc` frees the space later.

        Args:
            ref: `NAME@VERSION`, or `NAME` for all of it.
            force: also what a branch, a tag, a model or a deployment needs.

        Raises:
            DataError: somebody needs it; says who.
        """
        with self._catalog.write() as tx:
            return removing.remove(tx, ref, self._live, force=force)

    def _require(self, name: str, digest: Digest, change: hooks.Change) -> None:
        """Ask the checks of the dataset's definition about the version with that manifest."""
        hooks.require(self._definitions().get(name), lambda: hooks.rows_of(self._store, digest), change)

    def advance(self, name: str, number: int) -> Version:
        """Point the dataset's branch at one of its versions. Replays of history use it; what is committed stays."""
        with self._catalog.write() as tx:
            version = versions.numbered(tx, name, number)
            versions.point(tx, name, number)
            tx.event(f"dataset:{name}", {"head": number}, verb="data.advance")
            return version
