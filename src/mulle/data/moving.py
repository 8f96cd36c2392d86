"""The verbs that move content: working copies, remotes, the doors of other tools, and what is freed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mulle.data.gc import GRACE, GcReport, collect_garbage
from mulle.data.model import (
    ExportReport,
    ImportReport,
)
from mulle.data.places import placed
from mulle.data.refs import MAIN
from mulle.data.remotes import partial
from mulle.data.remotes.model import PullReport, PushReport
from mulle.data.seeing import Seeing
from mulle.data.working.model import Added, CheckedOut, Status
from mulle.verbs import verb

if TYPE_CHECKING:
    Where: TypeAlias = str | Path
else:  # what travels
    Where = str


class Moving(Seeing):
    """Between the store and working copies, remotes and other tools."""

    @verb("write")
    def add(self, dataset: str, path: Where) -> Added:
        """Take what is new in a folder (or file) into the store, so that the next commit of it makes a version at once.

        Only files whose size or times changed are read.

        Raises:
            DataError: there is nothing at the path, or the dataset is a table.
        """
        return self._desk.add(dataset, placed(path, self._root))

    @verb("read")
    def status(self, dataset: str, path: Where) -> Status:
        """The files at a path that differ from the version that they come from: the one last committed or checked out.

        Where none was, they are compared with main's head.

        Raises:
            DataError: there is nothing at the path.
        """
        return self._desk.status(dataset, placed(path, self._root))

    @verb("write")
    def checkout(
        self, ref: str, path: Where, parts: tuple[str, ...] = (), *, force: bool = False, link: bool = False
    ) -> CheckedOut:
        """Make a folder what a version is; a table is written to one file, in the format that the path's ending names.

        Only files that differ are written. Files of the version that was there, and that this one lacks, are removed;
        others stay. A table whose path has no ending becomes `<path>/<dataset>.parquet`.

        Args:
            ref: the version.
            path: where to.
            parts: only the files at or below these paths of the version.
            force: overwrite changes that are in no version.
            link: make read-only hard links to the store's files instead of copies, where that is possible.

        Raises:
            DataError: changes that are in no version would be lost, or something is in the way; nothing was changed.
            StoreError: there is nothing at one of `parts`, or an object is missing or damaged.
        """
        with partial.explained(self._catalog, self.resolve(ref)):
            return self._desk.checkout(ref, placed(path, self._root), parts, force=force, link=link)

    @verb("write")
    def import_(
        self,
        door: str,
        path: str,
        name: str = "",
        message: str = "",
        *,
        rev: str = "",
        all_revs: bool = False,
        output: str = "",
        skip_missing: bool = False,
    ) -> ImportReport:
        """Take in what another tool keeps. What is here already is not stored again and makes no version.

        Args:
            door: `dvc`, `lfs` and `mulle` (with their history), `files`, `parquet`, `csv` or `delta`.
            path: where it is; over HTTP, below the project's folder.
            name: the dataset; by default named after the path. Of several outputs, what their names begin with.
            message: what the version is, where no history comes with it.
            rev: only this git revision, as one version.
            all_revs: what led to any branch or tag, not only to what is checked out.
            output: only this output of a DVC repository.
            skip_missing: leave out versions whose content is not to be had any more.

        Raises:
            DataError: it cannot be read, lacks contents, or does not fit what the dataset has.
        """
        from mulle.data.doors.inward import Inward  # noqa: PLC0415 - start-up time
        from mulle.data.doors.keeping import Wanted  # noqa: PLC0415 - start-up time

        wanted = Wanted(rev, all_revs, output.strip("/"), name, skip_missing)
        return Inward(self._catalog, self._store, self._committer).take(door, path, wanted, message)

    @verb("read")
    def export(self, ref: str, path: str, to: str) -> ExportReport:
        """Write a version where other tools read it; `import` of that gives the same logical digest.

        Args:
            ref: the version.
            path: where to; over HTTP, below the project's folder.
            to: `files` for a tree; `parquet`, `csv` or `delta` for a table; `dvc` for both; `mulle` for all versions.

        Raises:
            DataError: the form cannot hold it, or something else is there.
        """
        from mulle.data.doors.outward import Outward  # noqa: PLC0415 - start-up time

        return Outward(self._catalog, self._store).write(self.resolve(ref), placed(path, self._root), to)

    @verb("write")
    def push(self, dataset: str, remote: str, branch: str = MAIN, *, everything: bool = False) -> PushReport:
        """Send a branch to a remote, its tags with it: only the objects that are missing there, then its versions.

        A push that was cut or killed is repeated: what arrived is not sent again.

        Args:
            dataset: its name.
            remote: a name of `[remotes]`, an address or the path of a folder; over HTTP a name.
            branch: which branch.
            everything: all branches and tags.

        Raises:
            DataError: the branch there has versions that are not in this one: pull and merge them first.
            StoreError: the remote cannot be reached, or refuses; nothing can be seen there before all of it is.
        """
        return self.remotes.push(dataset, remote, branch, everything=everything)

    @verb("write")
    def pull(
        self, dataset: str, remote: str, version: str = "", path: str = "", columns: tuple[str, ...] = ()
    ) -> PullReport:
        """Fetch a dataset's branches, tags and versions from a remote: only the objects that are missing here.

        A branch that has versions of its own stays as it is; the other line becomes the branch `REMOTE/BRANCH`.

        Args:
            dataset: its name.
            remote: a name of `[remotes]`, an address or the path of a folder; over HTTP a name.
            version: fetch the content of this version only: a branch, tag, number or digest there.
            path: fetch only what lies at this path of a tree of files; of main's head unless `version` is given.
            columns: fetch only these columns of a table, besides those that were fetched so before; as with `path`.

        Raises:
            UnknownNameError: the remote does not have the dataset.
            StoreError: the remote cannot be reached, or an object there is missing or damaged; nothing changed here.
        """
        return self.remotes.pull(dataset, remote, version, path, columns)

    @verb("admin")
    def gc(self, dry_run: bool = False, grace: str = GRACE, why: str = "") -> GcReport:
        """Free what nothing in the workspace reaches, in two phases: condemn it, and delete it in a later run.

        What a version, branch, tag, run, memo entry, model, deployment, artifact or working copy needs stays, and what
        a living process has put or found. What is condemned can still be read, and stays if it is needed again.

        Args:
            dry_run: change nothing, and tell what would be done.
            grace: what is younger stays; what was condemned less long ago too. `0s` deletes at once, where no other
                process uses the store.
            why: tell what keeps the object of this digest, or prefix, instead; changes nothing.

        Raises:
            StoreError: `grace` is 0 and somebody else uses the store; or an object is damaged that may name others.
        """
        return collect_garbage(self._catalog, self._store, dry_run=dry_run, grace=grace, why=why)
