"""The verbs of the data plane: how versions are made; those that look, name and move are in modules of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mulle.data import (
    collecting,
)
from mulle.data.committing import What
from mulle.data.definition import Dataset
from mulle.data.model import (
    Version,
)
from mulle.data.moving import Moving
from mulle.data.naming import Naming
from mulle.data.refs import MAIN
from mulle.data.sources.release import Released
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import polars as pl


if TYPE_CHECKING:
    Named: TypeAlias = str | Dataset
    Given: TypeAlias = Any
else:  # what travels: a name, and a path or rows
    Named = str
    Given = str | list[dict[str, Any]]


class DataService(Naming, Moving):
    """Datasets: named histories of immutable versions of a table or of a tree of files."""

    plane = "data"

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

    def ask_again(self, definition: Dataset) -> None:
        """Let it be time to ask the dataset's source again at once, in this process."""
        self._asked.again(definition)
