"""The frozen records of the data plane."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from mulle.data.affected import Affected
from mulle.types import Digest

Kind = Literal["table", "files"]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a dataset.

    `id` names the commit, the same in every workspace; `number` is this workspace's. `digest` names its manifest,
    `logical` its content whatever the layout (schema and rows in order, or the files). `branch` is the one that it was
    committed to, `merged` the second parent of a merge. `watermark` is the exclusive end of what has been collected, or
    the newest event time.
    """

    dataset: str
    number: int
    id: Digest
    digest: Digest
    logical: Digest
    branch: str
    parent: int | None
    merged: int | None
    actor: str
    at: datetime
    message: str
    kind: Kind
    rows: int
    bytes: int
    schema: list[tuple[str, str]]
    watermark: datetime | None
    event: str

    @property
    def ref(self) -> str:
        """As one writes it: `flights@3`."""
        return f"{self.dataset}@{self.number}"


class Logged(Version, frozen=True, kw_only=True):
    """A version in its history: with the branches and tags that point at it."""

    branches: list[str]
    tags: list[str]


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """A branch or tag of a dataset: the number of the version that it points at, and the reference of that version."""

    dataset: str
    name: str
    kind: Literal["branch", "tag"]
    number: int
    version: str


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge did: nothing, moved the branch forward, or made a version with two parents."""

    result: Literal["up to date", "fast-forward", "merged"]
    version: Version
    into: str
    source: str


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed: versions, and the branches and tags that went or moved with them."""

    dataset: str
    versions: list[int]
    branches: list[str]
    tags: list[str]
    event: str


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """Where the source of a dataset stands.

    `cursor` says it in words, `at` when something was last taken, `live` whether the source was once read to its end.
    `held` is how many rows the quarantine holds now.
    """

    kind: str
    address: str
    cursor: str
    at: datetime | None
    live: bool
    held: int
    quarantine: str


class DatasetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset, its head, and the number of the version that each branch and tag points at."""

    name: str
    kind: Kind
    key: list[str]
    event_time: str | None
    created: datetime
    versions: int
    head: Version
    branches: dict[str, int]
    tags: dict[str, int]
    collected: Collected | None = None


class PartInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One stored piece of a version: a Parquet part of a table, or a file.

    `aliases` are other tools' names for it by algorithm, as the md5 that DVC knows a file by.
    """

    digest: str
    rows: int
    bytes: int
    low: datetime | None = None
    high: datetime | None = None
    path: str = ""
    aliases: dict[str, str] = {}


class VersionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its key, its pieces, and other tools' names for it as a whole."""

    version: Version
    key: list[str]
    event_time: str | None
    parts: list[PartInfo]
    aliases: dict[str, str] = {}
    collected: Collected | None = None


class RowPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a version, in order; instants are ISO 8601 text."""

    ref: str
    total: int
    offset: int
    columns: list[tuple[str, str]]
    rows: list[list[Any]]


class ColumnChange(msgspec.Struct, frozen=True):
    """A column that came, went or changed its type."""

    name: str
    before: str | None
    after: str | None


class SchemaDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Columns that only one version has, and those whose type changed. A renamed column is one removed, one added."""

    added: list[ColumnChange]
    removed: list[ColumnChange]
    changed: list[ColumnChange]


class ChangedRow(msgspec.Struct, frozen=True):
    """A row by its key, and each column that differs as [before, after]."""

    key: dict[str, Any]
    cells: dict[str, list[Any]]


class RowExamples(msgspec.Struct, frozen=True, kw_only=True):
    """The first few rows of each kind of change."""

    added: list[dict[str, Any]] = []
    removed: list[dict[str, Any]] = []
    changed: list[ChangedRow] = []


class RowDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by key: counts, and the first few of each.

    Without a key a changed row reads as one removed and one added.
    """

    key: list[str] = []
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    examples: RowExamples = RowExamples()


class FileExamples(msgspec.Struct, frozen=True, kw_only=True):
    """The first few paths of each kind of change."""

    added: list[str] = []
    removed: list[str] = []
    changed: list[str] = []


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Files by path: counts, and the first few of each."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    examples: FileExamples = FileExamples()


class ColumnShift(msgspec.Struct, frozen=True, kw_only=True):
    """How a column's values moved, from the profiles of both versions: [before, after] of each statistic.

    `psi` is the population stability index over the former version's deciles, or its frequent values; `mean_shift`
    the difference of the means in standard deviations of the former version. None where there is nothing to compare.
    """

    name: str
    kind: str
    rows: list[int]
    nulls: list[float]
    distinct: list[int]
    mean: list[Any]
    std: list[float | None]
    psi: float | None
    mean_shift: float | None


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """How the values of the columns moved, the most moved first.

    Nothing is read for it: `missing` are the versions that have no profile yet; `mulle data profile` makes it.
    """

    columns: list[ColumnShift] = []
    missing: list[str] = []


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between two versions. Of a tree of files the rows are none, of a table the files."""

    a: str
    b: str
    kind: Kind
    files: FileDiff = FileDiff()
    rows: RowDiff = RowDiff()
    schema: SchemaDiff = SchemaDiff(added=[], removed=[], changed=[])
    distribution: Distribution = Distribution()
    affected: Affected = Affected(models=[], deployments=[])


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is missing or not what its name says.

    `ref` is the newest version that needs it, empty where none does; `path` the file or folder that it is of a tree.
    """

    ref: str
    path: str
    digest: str
    problem: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk over every version found."""

    versions: int
    objects: int
    damaged: list[Damage]


class ImportedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that came in: its head, the numbers of the versions that are new, and which version a revision made.

    `source` is its path where it came from; `left_out` are the revisions whose content is not to be had any more.
    """

    name: str
    kind: Kind
    head: int | None
    added: list[int]
    revisions: dict[str, int] = {}
    source: str = ""
    left_out: list[str] = []


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import brought in."""

    door: str
    path: str
    datasets: list[ImportedDataset]


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an export wrote: the version, where, in which form, and the digest that an import of it gives again."""

    ref: str
    path: str
    door: str
    logical: Digest
    files: int
    bytes: int
