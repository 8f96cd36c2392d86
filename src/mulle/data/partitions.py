"""What a pipeline says of partitions: of which dataset, split by what. Light; `mulle.data.splitting` does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from mulle.errors import ProjectError
from mulle.types import Digest

if TYPE_CHECKING:
    import polars as pl

    from mulle.data.definition import Dataset
    from mulle.data.manifest import Entry

    By: TypeAlias = str | pl.Expr


@dataclass(frozen=True, eq=False)
class Partitions:
    """The partitions of whatever version of a dataset a run reads."""

    source: Dataset
    by: tuple[By, ...] = ()
    glob: str = ""

    def __iter__(self) -> NoReturn:
        raise ProjectError(
            f"the partitions of '{self.source.name}' were iterated",
            cause="which there are is known when a run begins",
            cure="map a step over them: step.map(mulle.partitions(…)), inside a pipeline",
        )


@dataclass(frozen=True)
class Partition:
    """One piece of a version. Equal content has an equal digest, however the version is stored.

    Of a table: its rows are those of `key` in `pieces`. Of a tree: the tree `digest` has the files at their own paths.
    """

    source: Dataset
    ref: str
    key: str
    digest: Digest
    by: bytes = b""
    pieces: tuple[Entry, ...] = ()
    bytes: int = 0

    @property
    def name(self) -> str:
        """As pages show it: `flights@3 carrier=AA`."""
        return f"{self.ref} {self.key}"


def partitions(dataset: Dataset, *, by: By | Sequence[By] = (), glob: str = "") -> Partitions:
    """The partitions of a dataset, to map a step over: only those that changed run again.

    Args:
        dataset: what to split.
        by: of a table: a column, a Polars expression such as `pl.col("at").dt.date()`, or several. The step is given
            the rows of one partition.
        glob: of a tree of files: `*/` is each folder at the top, `*/*.csv` each CSV file one below, `**` each file,
            `/` all in one. The step is given a folder in which the files of one partition lie at their own paths.

    Raises:
        ProjectError: not just one of `by` and `glob` was given.
    """
    columns = (by,) if isinstance(by, str) or not isinstance(by, Sequence) else tuple(by)
    if bool(columns) == bool(glob):
        raise ProjectError(
            f"how are the partitions of '{dataset.name}' told apart?",
            cause="either by= (of a table) or glob= (of files) says it",
            cure=f'mulle.partitions({dataset.name}, by="column"), or glob="*/"',
        )
    return Partitions(dataset, columns, glob)
