"""Where the tables of a prediction log are kept: as files in a folder, or in memory for a log that nobody keeps."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import polars as pl

from mulle.predictions import files
from mulle.predictions.files import LogFile

_CACHE_BYTES = 64 << 20
_SMALL_BYTES, _MANY_FILES = 1 << 20, 64


class Shelf(Protocol):
    """Tables of answers by deployment. Each is sorted by time and id, holds an answer once, and never changes."""

    def deployments(self) -> list[str]:
        """Those that have tables."""

    def listed(self, deployment: str) -> list[LogFile]:
        """What there is of a deployment, by time."""

    def get(self, one: LogFile) -> pl.DataFrame:
        """A table.

        Raises:
            FileNotFoundError: it was merged into another one meanwhile.
        """

    def put(self, deployment: str, table: pl.DataFrame, source: str) -> Path:
        """Keep a table; one of the same answers and source takes the other's place."""

    def merge(self, deployment: str) -> None:
        """Put small tables together, where that makes reading cheaper."""


class MemoryShelf:
    """Tables that are gone with the process: for a replay."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[LogFile, pl.DataFrame]] = {}

    def deployments(self) -> list[str]:
        """Those that have tables."""
        return sorted(self._tables)

    def listed(self, deployment: str) -> list[LogFile]:
        """What there is of a deployment, in the order in which it came."""
        return list(self._tables.get(deployment, ()))

    def get(self, one: LogFile) -> pl.DataFrame:
        """A table."""
        return self._tables[one.path.parent.name][one]

    def put(self, deployment: str, table: pl.DataFrame, source: str) -> Path:
        """Keep a table."""
        kept = files.once(table)
        one = files.named(Path(deployment), kept, source)
        self._tables.setdefault(deployment, {})[one] = kept
        return one.path

    def merge(self, deployment: str) -> None:
        """Nothing to do: there is nothing to open."""
        del deployment


class FileShelf:
    """Parquet files in a folder a deployment; what was last used stays in memory.

    Args:
        directory: the folder of the folders.
        durable: whether files are synced to the disk.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._directory = directory
        self._durable = durable
        self._known: dict[str, dict[str, LogFile | None]] = {}
        self._cache = _Cache()

    def deployments(self) -> list[str]:
        """The folders that there are."""
        return sorted(path.name for path in self._directory.iterdir()) if self._directory.is_dir() else []

    def listed(self, deployment: str) -> list[LogFile]:
        """The files of a deployment, by time. The folder is looked at each time, a name is taken apart once."""
        directory = self._directory / deployment
        try:
            names = sorted(os.listdir(directory))  # noqa: PTH208 - a path for each name costs more than all the rest
        except FileNotFoundError:
            return []
        before = self._known.get(deployment, {})
        known = {name: before[name] if name in before else files.parsed(directory, name) for name in names}
        self._known[deployment] = known
        return [one for one in known.values() if one is not None]

    def get(self, one: LogFile) -> pl.DataFrame:
        """A file's table."""
        return self._cache.get(one.path)

    def put(self, deployment: str, table: pl.DataFrame, source: str) -> Path:
        """Write a file; it appears whole or not at all."""
        kept = files.once(table)
        one = files.named(self._directory / deployment, kept, source)
        files.write(one, kept, durable=self._durable)
        self._cache.put(one.path, kept)
        return one.path

    def merge(self, deployment: str) -> None:
        """Put small files together. Killed in between, answers are in two files: readers count an id once."""
        small = [one for one in self.listed(deployment) if one.path.stat().st_size < _SMALL_BYTES]
        if len(small) < _MANY_FILES:
            return
        table = files.joined([self.get(one) for one in small])
        kept = self.put(deployment, table, f"merged-{small[0].source}-{len(small)}")
        for one in small:
            if one.path != kept:
                one.path.unlink(missing_ok=True)


class _Cache:
    """Files as tables, the last used ones kept in memory. Files never change, so nothing grows stale."""

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit = limit
        self._used = 0
        self._tables: OrderedDict[Path, pl.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> pl.DataFrame:
        """The file's table."""
        with self._lock:
            table = self._tables.get(path)
            if table is not None:
                self._tables.move_to_end(path)
                return table
        table = pl.read_parquet(path, glob=False)
        self.put(path, table)
        return table

    def put(self, path: Path, table: pl.DataFrame) -> None:
        """Remember what was just written or read."""
        with self._lock:
            if path not in self._tables:
                self._used += int(table.estimated_size())
                self._tables[path] = table
                self._shrink()

    def _shrink(self) -> None:
        while self._used > self._limit and len(self._tables) > 1:
            _, dropped = self._tables.popitem(last=False)
            self._used -= int(dropped.estimated_size())
