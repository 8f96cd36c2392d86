"""The verbs of the data plane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from mulle.data import (
    branches,
    collecting,
    files,
    hooks,
    manifest,
    profiles,
    reading,
    removing,
    resolving,
    verify,
    versions,
)
from mulle.data.columns import schema_of
from mulle.data.committing import Committer, What
from mulle.data.definition import Dataset
from mulle.data.diff import diff_versions
from mulle.data.doors import aliases
from mulle.data.doors.inward import Inward
from mulle.data.doors.keeping import Wanted
from mulle.data.doors.outward import Outward
from mulle.data.gc import GRACE, GcReport, collect_garbage
from mulle.data.model import (
    Collected,
    DatasetSummary,
    Diff,
    ExportReport,
    ImportReport,
    Logged,
    Merge,
    PartInfo,
    Ref,
    Removed,
    RowPage,
    VerifyReport,
    Version,
    VersionDetail,
)
from mulle.data.places import placed
from mulle.data.publishing import Publisher
from mulle.data.refs import MAIN
from mulle.data.remotes.model import PullReport, PushReport
from mulle.data.remotes.service import Remotes
from mulle.data.sources import cursors
from mulle.data.sources.polling import Asked
from mulle.data.sources.release import Released
from mulle.hashing.tree import shown
from mulle.stats.profile import ProfileSummary, summarise
from mulle.store import get_tree
from mulle.store.tree import Trees
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from mulle.catalog import Catalog
    from mulle.data.affected import Live
    from mulle.store import ObjectStore
    from mulle.types import Digest


Summaries = list[DatasetSummary]
Refs = list[Ref]
if TYPE_CHECKING:
    Named: TypeAlias = str | Dataset
    Given: TypeAlias = Any
else:  # what travels: a name, and a path or rows
    Named = str
    Given = str | list[dict[str, Any]]


class DataService:
    """Datasets: named histories of immutable versions of a table or of a tree of files."""

    plane = "data"

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        root: Path | None = None,
        *,
        definitions: Callable[[], Mapping[str, Dataset]] = dict,
        live: Live = tuple,
        remotes: Remotes | None = None,
    ) -> None:
        """Wire the service.

        Args:
            catalog: holds versions, branches and tags.
            store: holds their objects.
            root: where relative paths of sources are looked for; the current folder by default.
            definitions: the project's datasets by name, when they are needed.
            live: the deployments that answer now, each with its revisions.
            remotes: where datasets are pushed to and pulled from; by address only by default.
        """
        self._catalog = catalog
        self._store = store
        self._root = root
        self._definitions = definitions
        self._live = live
        self._publisher = Publisher(catalog, store)
        self._asked = Asked()
        self.remotes = remotes or Remotes(catalog, store, root=root)
        self._committer = Committer(self._publisher, root, definitions)

    @verb("read")
    def list(self) -> Summaries:
        """Every dataset with its head, by name."""
        with self._catalog.read() as tx:
            sources = cursors.collected(tx)
            return [msgspec.structs.replace(one, collected=sources.get(one.name)) for one in versions.summaries(tx)]

    @verb("read")
    def log(self, dataset: str) -> tuple[Logged, ...]:
        """The versions of a dataset, the newest first; of `NAME@BRANCH` (or any version) those that went into it."""
        with self._catalog.read() as tx:
            return tuple(resolving.logged(tx, dataset))

    def described(self, name: str) -> tuple[tuple[str, ...], str | None]:
        """The key and the event time that a dataset was last committed with; nothing where there is none."""
        with self._catalog.read() as tx:
            key, event_time = versions.described(tx, name)
        return tuple(key), event_time

    def collected(self, name: str) -> Collected | None:
        """Where a dataset's source stands; None where nothing was collected from one."""
        with self._catalog.read() as tx:
            return cursors.collected(tx).get(name)

    @verb("read")
    def show(self, ref: str) -> VersionDetail:
        """A version with its columns, key and stored pieces, and where the dataset's source stands."""
        version = self.resolve(ref)
        return msgspec.structs.replace(self._detail(version), collected=self.collected(version.dataset))

    def _detail(self, version: Version) -> VersionDetail:
        held = manifest.load(self._store, version.digest)
        if isinstance(held, manifest.FilesManifest):
            trees = Trees(self._store)
            found = trees.walk(trees.root(held.tree))
            pieces = [PartInfo(digest=e.digest, rows=0, bytes=e.size, path=shown(path)) for path, e in found]
            detail = VersionDetail(version=version, key=[], event_time=None, parts=pieces)
            with self._catalog.read() as tx:
                return aliases.told(tx, detail)
        pieces = [
            PartInfo(
                digest=entry.digest,
                rows=entry.rows,
                bytes=entry.bytes,
                low=reading.at_microseconds(entry.low),
                high=reading.at_microseconds(entry.high),
            )
            for entry in manifest.parts(self._store, held)
        ]
        return VersionDetail(version=version, key=held.key, event_time=held.event_time, parts=pieces)

    @verb("read")
    def diff(self, a: str, b: str, key: tuple[str, ...] = ()) -> Diff:
        """What changed from version `a` to version `b`: columns, rows by key (the dataset's own by default), files."""
        before, after = self.resolve(a), self.resolve(b)
        if not key and before.kind == after.kind == "table":
            key = tuple(manifest.load_table(self._store, after.digest).key)
        return diff_versions(self._store, before, after, key)

    @verb("read")
    def rows(self, ref: str, limit: int = 20, offset: int = 0) -> RowPage:
        """Some rows of a version, in order."""
        version = self.resolve(ref)
        held = manifest.load_table(self._store, version.digest)
        table = reading.page(self._store, held, offset, limit)
        rows = msgspec.to_builtins([[*row] for row in table.iter_rows()], enc_hook=str)
        return RowPage(ref=version.ref, total=version.rows, offset=offset, columns=schema_of(table), rows=rows)

    @verb("read")
    def verify(self) -> VerifyReport:
        """Read every object of every version and compare it with its name."""
        with self._catalog.read() as tx:
            every = [each for summary in versions.summaries(tx) for each in versions.history(tx, summary.name)]
        return verify.verify_versions(self._store, every)

    @verb("read")
    def profile(self, ref: str) -> ProfileSummary:
        """The one-pass statistics of a version's columns; the profile behind them is kept after the first time."""
        return summarise(profiles.profile_version(self._catalog, self._store, self.resolve(ref)))

    @verb("write")
    def commit(
        self,
        name: Named,
        data: Given,
        message: str = "",
        *,
        append: bool = False,
        key: Sequence[str] = (),
        event_time: str | None = None,
        watermark: datetime | None = None,
        branch: str = MAIN,
        as_files: bool = False,
    ) -> Version:
        """Make a version of a table, of a table's file, of any other file or of a folder of files.

        The same content as the head's gives the head.

        Args:
            name: the dataset, or its definition, which brings key, event time and declared schema with it.
            data: a path, or a Polars, Arrow or pandas table, or rows as a list of dicts, or a former version. A folder,
                or a file that is no table's, becomes a tree of files. A path over HTTP is one below the project's
                folder.
            message: what this version is.
            append: add the rows after those of the head instead of replacing them.
            key: the columns that identify a row; those of the last commit by default.
            event_time: the column that places a row in time; that of the last commit by default.
            watermark: the exclusive end of what has been collected; the newest event time by default.
            branch: the branch whose head the version follows.
            as_files: keep a table's file as the file that it is.

        Raises:
            DataError: the data cannot be read, has no columns, is a file without rows, a key repeats, or a check of
                the dataset's definition refuses it.
            SchemaSkewError: appended rows do not have the dataset's columns and types, or not the declared ones.
            UnknownNameError: there is no such branch.
        """
        what = What(message, append, key, event_time, watermark, branch, as_files)
        return self._committer.commit(name, data, what)

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
            self._require(version, hooks.Change(action="tag", dataset=dataset, tag=name))
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
            door: `dvc` and `lfs` (a repository with its history), `files`, `parquet`, `csv` or `delta`.
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
        wanted = Wanted(rev, all_revs, output.strip("/"), name, skip_missing)
        return Inward(self._catalog, self._store, self._committer).take(door, path, wanted, message)

    @verb("read")
    def export(self, ref: str, path: str, to: str) -> ExportReport:
        """Write a version where other tools read it; `import` of that gives the same logical digest.

        Args:
            ref: the version.
            path: where to; over HTTP, below the project's folder.
            to: `files` for a tree; `parquet`, `csv` or `delta` for a table; `dvc` for both.

        Raises:
            DataError: the form cannot hold it, or something else is there.
        """
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
    def pull(self, dataset: str, remote: str, version: str = "", path: str = "") -> PullReport:
        """Fetch a dataset's branches, tags and versions from a remote: only the objects that are missing here.

        A branch that has versions of its own stays as it is; the other line becomes the branch `REMOTE/BRANCH`.

        Args:
            dataset: its name.
            remote: a name of `[remotes]`, an address or the path of a folder; over HTTP a name.
            version: fetch the content of this version only: a branch, tag, number or digest there.
            path: fetch only what lies at this path of a tree of files; of main's head unless `version` is given.

        Raises:
            UnknownNameError: the remote does not have the dataset.
            StoreError: the remote cannot be reached, or an object there is missing or damaged; nothing changed here.
        """
        return self.remotes.pull(dataset, remote, version, path)

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

    def _require(self, version: Version, change: hooks.Change) -> None:
        """Ask the checks of the dataset's definition about a version."""
        definition = self._definitions().get(version.dataset)
        hooks.require(definition, lambda: hooks.rows_of(self._store, version.digest), change)

    def read(
        self,
        ref: str | Version,
        columns: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        """The rows of a version in order, those with an event time in [start, end) where a bound is given."""
        version = ref if isinstance(ref, Version) else self.resolve(ref)
        return reading.read_version(self._store, version.digest, columns, _instant(start), _instant(end))

    def checkout(self, ref: str, path: Path) -> Path:
        """Write a version out: a tree of files below `path`; a table to `path`, in the format that its ending names.

        A table whose path has no ending becomes `<path>/<dataset>.parquet`. Gives the path written.
        """
        version = self.resolve(ref)
        held = manifest.load(self._store, version.digest)
        if isinstance(held, manifest.FilesManifest):
            get_tree(self._store, held.tree, path)
            return path
        target = path if path.suffix else path / f"{version.dataset}.parquet"
        files.write_table_file(reading.read_version(self._store, version.digest), target)
        return target

    def head(self, name: str) -> Version:
        """The newest version of a dataset.

        Raises:
            UnknownNameError: nothing was ever committed under that name.
        """
        with self._catalog.read() as tx:
            return versions.head(tx, name)

    def find_head(self, name: str) -> Version | None:
        """The newest version of a dataset; None where nothing was ever committed."""
        return self._publisher.find_head(name)

    def known_at(self, name: str, as_of: datetime | None) -> Version | None:
        """The newest version that goes no further than an instant; the head where there is none, or no instant.

        A dataset whose history came in one piece has only versions that go further: readers cut those by event time.
        """
        with self._catalog.read() as tx:
            found = None if as_of is None else versions.find_until(tx, name, as_of)
            return found if found is not None else versions.find_head(tx, name)

    def resolve(self, ref: str) -> Version:
        """The version that `NAME` or `NAME@VERSION` means: a number, digest, tag, branch, HEAD~1 or instant."""
        with self._catalog.read() as tx:
            return resolving.resolve(tx, ref)

    def versions(self, name: str) -> tuple[Version, ...]:
        """The versions on main's line, the newest first."""
        with self._catalog.read() as tx:
            return tuple(versions.on_line(tx, name))

    def collect(
        self,
        definition: Dataset,
        until: datetime,
        check: Callable[[pl.DataFrame], None] | None = None,
        *,
        whole: bool = False,
        anew: bool = False,
    ) -> tuple[Version, ...]:
        """Take in what the dataset's source has, each window, row or line exactly once whatever is killed when.

        Args:
            definition: the dataset with its source.
            until: of a source by window, only those that are over by then are taken.
            check: called with the new rows; raises when they must not be committed.
            whole: make one version of all due windows instead of one each.
            anew: forget where the source stood, and take all it has instead of what the dataset holds; not by window.

        Returns:
            The versions made, the oldest first; none where there is nothing new.
        """
        order = collecting.Order(definition, self._root or Path.cwd(), check, whole=whole, anew=anew)
        return tuple(collecting.collect(self._publisher, order, instant(until)))

    def follow(
        self,
        definition: Dataset,
        until: datetime | None = None,
        stopped: Callable[[float], bool] | None = None,
    ) -> Iterator[Version]:
        """Collect again and again; each version as it is made.

        Args:
            definition: the dataset, with a source that is asked what is new.
            until: when to end; never by default.
            stopped: waits for so many seconds, and says whether to end; the clock waits by default.
        """
        order = collecting.Order(definition, self._root or Path.cwd())
        return collecting.follow(self._publisher, order, None if until is None else instant(until), stopped)

    def release(self, definition: Dataset) -> Released:
        """Take in the rows of the dataset's quarantine that now fit; the others stay there.

        Raises:
            UnknownNameError: nothing of the dataset was ever put aside.
        """
        return collecting.release(self._publisher, collecting.Order(definition, self._root or Path.cwd()))

    def due(self, definition: Dataset, now: datetime) -> bool:
        """Whether it is time to ask the dataset's source again; it counts as asked in this process then."""
        return self._asked.due(definition, instant(now))

    def advance(self, name: str, number: int) -> Version:
        """Point the dataset's branch at one of its versions. Replays of history use it; what is committed stays."""
        with self._catalog.write() as tx:
            version = versions.numbered(tx, name, number)
            versions.point(tx, name, number)
            tx.event(f"dataset:{name}", {"head": number}, verb="data.advance")
            return version

    def parts(self, version: Version) -> tuple[manifest.Entry, ...]:
        """The stored parts of a table's version, in row order."""
        return tuple(reading.parts_between(self._store, version.digest))

    def objects(self, version: Version) -> tuple[str, ...]:
        """The digests of all objects that a version needs, its manifest first."""
        return tuple(entry for entry, _ in verify.objects_of(self._store, version))

    def holding(self, digest: str) -> tuple[Version, ...]:
        """The versions, of every dataset, that an object is a part or a file of."""
        with self._catalog.read() as tx:
            every = [each for summary in versions.summaries(tx) for each in versions.history(tx, summary.name)]
        known: dict[Digest, bool] = {}
        return tuple(
            each
            for each in every
            if manifest.holds(self._store, manifest.load(self._store, each.digest), digest, known)
        )


def _instant(value: datetime | None) -> datetime | None:
    return None if value is None else instant(value)
