"""The verbs that look: datasets, their histories, versions, rows and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mulle.data import (
    changes,
    manifest,
    profiles,
    reading,
    resolving,
    shifts,
    verify,
    versions,
)
from mulle.data.affected import affected
from mulle.data.columns import schema_of
from mulle.data.diff import diff_versions
from mulle.data.doors import aliases
from mulle.data.model import (
    Collected,
    DatasetSummary,
    Diff,
    Logged,
    PartInfo,
    RowPage,
    VerifyReport,
    Version,
    VersionDetail,
)
from mulle.data.remotes import narrow, partial
from mulle.data.sources import cursors
from mulle.data.wired import Wired
from mulle.errors import unknown
from mulle.hashing.tree import shown
from mulle.stats.profile import ProfileSummary, summarise
from mulle.store.tree import Trees
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    import polars as pl

    from mulle.types import Digest


Summaries = list[DatasetSummary]


class Seeing(Wired):
    """Reading versions; nothing changes."""

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

    @verb("read")
    def show(self, ref: str) -> VersionDetail:
        """A version with its columns, key and stored pieces, and where the dataset's source stands."""
        version = self.resolve(ref)
        with partial.explained(self._catalog, version):
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
    def diff(self, a: str, b: str, key: tuple[str, ...] = (), examples: int = 5) -> Diff:
        """What changed from version `a` to version `b`: columns, rows by key (the dataset's own by default), files.

        With it, how the values moved where both have a profile, the models that learned from either, and the
        deployments that serve those now. Counts are exact; of each kind of change there are up to `examples` examples.
        """
        before, after = self.resolve(a), self.resolve(b)
        with partial.explained(self._catalog, before, after):
            found = diff_versions(self._store, before, after, key or self._key_of(before, after), examples)
        if after.kind == "table":
            moved = shifts.distribution(self._catalog, self._store, before, after)
            found = msgspec.structs.replace(found, distribution=moved)
        with self._catalog.read() as tx:
            return msgspec.structs.replace(found, affected=affected(tx, [before, after], self._live))

    def changes(self, a: str | Version, b: str | Version, key: Sequence[str] = ()) -> pl.DataFrame:
        """All rows that differ between two versions of a table, as a table.

        Its columns: `change` (added, removed or changed), the key, and each other column as `NAME.before` and
        `NAME.after`. Without a key: `change` (added or removed), and the columns.
        """
        before, after = (each if isinstance(each, Version) else self.resolve(each) for each in (a, b))
        with partial.explained(self._catalog, before, after):
            old, new = (manifest.load_table(self._store, each.digest) for each in (before, after))
            return changes.as_table(changes.changes(self._store, old, new, key or self._key_of(before, after)))

    def _key_of(self, before: Version, after: Version) -> Sequence[str]:
        if not before.kind == after.kind == "table":
            return ()
        return manifest.load_table(self._store, after.digest).key

    @verb("read")
    def rows(
        self, ref: str, limit: int = 20, offset: int = 0, columns: tuple[str, ...] = (), where: str = ""
    ) -> RowPage:
        """Some rows of a version, in order; all columns where none is named.

        With `where`, an SQL expression such as `delay > 15 AND carrier = 'UA'`, of the rows for which it holds;
        `total` then counts those.

        Raises:
            DataError: there is no such column.
            UsageError: `where` is no condition.
        """
        version = self.resolve(ref)
        held = manifest.load_table(self._store, version.digest)
        reading.require_columns(held, columns)
        condition = reading.condition(where) if where else None
        with narrow.reachable(self._catalog, self._store, version, columns or None, condition) as store:
            total = version.rows
            if condition is not None:
                chosen = reading.read_manifest(store, held, columns or None, where=condition)
                table, total = chosen.slice(offset, limit), chosen.height
            else:
                table = reading.page(store, held, offset, limit, columns or None)
        rows = msgspec.to_builtins([[*row] for row in table.iter_rows()], enc_hook=str)
        return RowPage(ref=version.ref, total=total, offset=offset, columns=schema_of(table), rows=rows)

    @verb("read")
    def verify(self) -> VerifyReport:
        """Read every object and compare it with its name; say which version and path each damage is in."""
        with self._catalog.read() as tx:
            every = [each for summary in versions.summaries(tx) for each in versions.history(tx, summary.name)]
            partial = versions.partial(tx)
        return verify.verify_versions(self._store, every, partial)

    @verb("read")
    def profile(self, ref: str) -> ProfileSummary:
        """The one-pass statistics of a version's columns; the profile behind them is kept after the first time."""
        version = self.resolve(ref)
        with partial.explained(self._catalog, version):
            return summarise(profiles.profile_version(self._catalog, self._store, version))

    def read(
        self,
        ref: str | Version,
        columns: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        where: pl.Expr | str | None = None,
    ) -> pl.DataFrame:
        """The rows of a version in order: those with an event time in [start, end), and for which `where` holds.

        `where` is a Polars expression, or SQL as in `rows`. Only the parts, row groups and columns that are needed are
        read. DuckDB, pyarrow and pandas take the result through Arrow.
        """
        version = ref if isinstance(ref, Version) else self.resolve(ref)
        chosen = reading.condition(where) if isinstance(where, str) else where
        with narrow.reachable(self._catalog, self._store, version, columns, chosen) as store:
            return reading.read_version(store, version.digest, columns, _instant(start), _instant(end), where=chosen)

    def scan(self, ref: str | Version) -> pl.LazyFrame:
        """A lazy query over the rows of a version, in order, which reads part by part what it needs.

        Its `collect_batches` and `sink_parquet` go through tables that are larger than memory.
        """
        version = ref if isinstance(ref, Version) else self.resolve(ref)
        with partial.explained(self._catalog, version):
            return reading.scan(self._store, manifest.load_table(self._store, version.digest))

    def distinct(self, ref: str, column: str, most: int) -> Sequence[Any]:
        """The values of a column of a version, in the order in which they first occur; no more than `most` + 1.

        Raises:
            DataError: it is no table, or has no such column.
        """
        table = self.scan(ref)
        if column not in (known := table.collect_schema().names()):
            raise unknown("column", column, known, cure=f"mulle data show {ref}")
        return table.select(column).unique(maintain_order=True).head(most + 1).collect().to_series().to_list()

    def resolve(self, ref: str) -> Version:
        """The version that `NAME` or `NAME@VERSION` means: a number, digest, tag, branch, HEAD~1 or instant."""
        with self._catalog.read() as tx:
            return resolving.resolve(tx, ref)

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

    def versions(self, name: str) -> tuple[Version, ...]:
        """The versions on main's line, the newest first."""
        with self._catalog.read() as tx:
            return tuple(versions.on_line(tx, name))

    def described(self, name: str) -> tuple[tuple[str, ...], str | None]:
        """The key and the event time that a dataset was last committed with; nothing where there is none."""
        with self._catalog.read() as tx:
            key, event_time = versions.described(tx, name)
        return tuple(key), event_time

    def collected(self, name: str) -> Collected | None:
        """Where a dataset's source stands; None where nothing was collected from one."""
        with self._catalog.read() as tx:
            return cursors.collected(tx).get(name)

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
