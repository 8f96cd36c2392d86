"""The verbs of the data plane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.data import collecting, drafts, files, manifest, profiles, reading, refs, resolving, verify, versions
from mulle.data.columns import schema_of
from mulle.data.definition import Dataset, Source
from mulle.data.diff import diff_versions
from mulle.data.model import (
    DatasetSummary,
    Diff,
    PartInfo,
    RowPage,
    VerifyReport,
    Version,
    VersionDetail,
)
from mulle.data.publishing import Publisher, Request
from mulle.errors import DataError
from mulle.hashing.tree import shown
from mulle.stats.profile import ProfileSummary, summarise
from mulle.store import get_tree, put_tree
from mulle.store.tree import Trees
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import polars as pl

    from mulle.catalog import Catalog
    from mulle.store import ObjectStore
    from mulle.types import Digest


Summaries = list[DatasetSummary]


class DataService:
    """Datasets: named histories of immutable versions of a table or of a tree of files."""

    plane = "data"

    def __init__(self, catalog: Catalog, store: ObjectStore, root: Path | None = None) -> None:
        """`root` is where relative paths of sources are looked for; the current folder by default."""
        self._catalog = catalog
        self._store = store
        self._root = root
        self._publisher = Publisher(catalog, store)

    @verb("read")
    def list(self) -> Summaries:
        """Every dataset with its head, by name."""
        with self._catalog.read() as tx:
            return versions.summaries(tx)

    @verb("read")
    def log(self, dataset: str) -> tuple[Version, ...]:
        """The versions of a dataset, the newest first."""
        with self._catalog.read() as tx:
            return tuple(versions.history(tx, dataset))

    @verb("read")
    def show(self, ref: str) -> VersionDetail:
        """A version with its columns, key and stored pieces."""
        version = self.resolve(ref)
        held = manifest.load(self._store, version.digest)
        if isinstance(held, manifest.FilesManifest):
            trees = Trees(self._store)
            found = trees.walk(trees.root(held.tree))
            pieces = [PartInfo(digest=e.digest, rows=0, bytes=e.size, path=shown(path)) for path, e in found]
            return VersionDetail(version=version, key=[], event_time=None, parts=pieces)
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

    def commit(
        self,
        name: str | Dataset,
        data: Any,
        message: str = "",
        *,
        append: bool = False,
        key: Sequence[str] = (),
        event_time: str | None = None,
        watermark: datetime | None = None,
    ) -> Version:
        """Make a version of a table, a table's file or a folder of files.

        The same content as the head's gives the head.

        Args:
            name: the dataset, or its definition, which brings key, event time and declared schema with it.
            data: a Polars, Arrow or pandas table, or a path; a folder becomes a tree of files.
            message: what this version is.
            append: add the rows after those of the head instead of replacing them.
            key: the columns that identify a row; those of the last commit by default.
            event_time: the column that places a row in time; that of the last commit by default.
            watermark: the exclusive end of what has been collected; the newest event time by default.

        Raises:
            DataError: the data cannot be read, has no columns, is a file without rows, or a key repeats.
            SchemaSkewError: appended rows do not have the dataset's columns and types, or not the declared ones.
        """
        definition = name if isinstance(name, Dataset) else None
        request = self._request(name, key, event_time)
        request = replace(request, message=message, watermark=_instant(watermark))
        if isinstance(data, str | Path):
            path = Path(data)
            if path.is_dir():
                return self._commit_folder(request, path)
            data = files.read_table_file(path)
            if not data.height:
                raise DataError(
                    f"{path} has no rows", cause="an empty batch adds nothing", cure="give it at least one row"
                )
        expect = definition.expect if definition is not None else None
        table = drafts.normal(data, request.name, key=request.key, event_time=request.event_time, expect=expect)
        if definition is not None:
            request = replace(request, facts=collecting.inspect(definition, table, None))
        if append and not table.height and (head := self.find_head(request.name)) is not None:
            return head
        return self._publisher.commit(request, table, append=append)

    def _commit_folder(self, request: Request, path: Path) -> Version:
        tree = manifest.of_tree(self._store, put_tree(self._store, path))
        if not tree.files:
            raise DataError(f"nothing to commit from {path}", cause="the folder has no files", cure="check the path")
        return self._publisher.commit_files(request, tree)

    def _request(self, name: str | Dataset, key: Sequence[str], event_time: str | None) -> Request:
        if isinstance(name, Dataset):
            key, event_time, name = name.key, name.event_time, name.name
        refs.require_dataset(name)
        if not key or event_time is None:
            with self._catalog.read() as tx:
                before_key, before_time = versions.described(tx, name)
            key, event_time = key or before_key, event_time or before_time
        return Request(name, tuple(key), event_time)

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
        """The version that `name`, `name@3`, `name@HEAD~1` or `name@b3:prefix` means."""
        with self._catalog.read() as tx:
            return resolving.resolve(tx, ref)

    def versions(self, name: str) -> tuple[Version, ...]:
        """The versions of a dataset, the newest first."""
        return self.log(name)

    def collect(
        self,
        definition: Dataset,
        until: datetime,
        check: Callable[[pl.DataFrame], None] | None = None,
        *,
        whole: bool = False,
    ) -> tuple[Version, ...]:
        """Take in what the dataset's source has up to `until`, each window exactly once whatever is killed when.

        Args:
            definition: the dataset with its source.
            until: only windows that are over by then are taken.
            check: called with the new rows; raises when they must not be committed.
            whole: make one version of all due windows instead of one each.

        Returns:
            The versions made, the oldest first; none where there is nothing new.
        """
        if isinstance(definition.source, Source):
            made = collecting.collect_windows(self._publisher, definition, instant(until), check, whole=whole)
        elif definition.source is not None:
            made = collecting.collect_files(self._publisher, definition, self._root or Path.cwd(), check)
        else:
            raise DataError(
                f"dataset '{definition.name}' has no source",
                cause="its rows are committed by hand",
                cure=f"mulle data commit {definition.name} FILE",
            )
        return tuple(made)

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
