"""The prediction log of a workspace: files by deployment, and what still lies in the spool."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from mulle.predictions import files
from mulle.predictions.files import INPUT, OUTPUT, LogFile
from mulle.predictions.frames import SHADOW, decode, microseconds
from mulle.predictions.model import Compaction
from mulle.predictions.shelves import FileShelf, MemoryShelf, Shelf
from mulle.spool import Segment, read_segment

_ABANDONED_SECONDS = 600.0
_PATIENCE = 5


class PredictionLog:
    """Every answer that was ever given, readable as soon as it was spooled.

    Args:
        directory: files, a folder a deployment; None for a log that is gone with the process (a backtest's).
        spool: the folder of the segments that serving workers append to; None where there are no workers.
        durable: whether files are synced to the disk.
    """

    def __init__(self, directory: Path | None, spool: Path | None, *, durable: bool = True) -> None:
        self._shelf: Shelf = MemoryShelf() if directory is None else FileShelf(directory, durable=durable)
        self._spool = spool
        self._segments: dict[Path, tuple[int, pl.DataFrame]] = {}
        self._lock = threading.Lock()

    def deployments(self) -> list[str]:
        """The deployments that have answered."""
        spooled = self._spooled().get_column("deployment").unique().to_list()
        return sorted({*self._shelf.deployments(), *spooled})

    def append(self, deployment: str, table: pl.DataFrame) -> None:
        """Add answers in bulk, as `scan` gives them; they are in the log when this returns."""
        if table.height == 0:
            return
        laid = _flattened(table, deployment)
        first = str(laid.get_column("id").min())
        self._shelf.put(deployment, laid, f"bulk-{first[-12:]}")

    def scan(
        self,
        deployment: str,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The answers of [since, until), by time.

        Columns: id, at, deployment, revision, model, role, key, score, latency_us, and the structs `inputs` and
        `outputs`; each answer once, in the order of their instants and ids.
        """
        names = list(columns) if columns is not None else [*files.FIXED, "inputs", "outputs"]
        if not {"inputs", "outputs"} & set(names):
            return self.scan_flat(deployment, since, until, names)
        found = self.scan_flat(deployment, since, until)
        return found.select([_column(name, found.columns) for name in names])

    def scan_flat(
        self,
        deployment: str,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """As `scan`, with a column `in.<name>` an input and `out.<name>` an output: as it lies in the files."""
        low = microseconds(since) if since is not None else 0
        high = microseconds(until) if until is not None else 1 << 62
        found = _patiently(lambda: self._scanned(deployment, low, high, columns))
        return found if columns is None else found[list(columns)]

    def _scanned(self, deployment: str, low: int, high: int, columns: Sequence[str] | None) -> pl.DataFrame:
        # the spool is read first: what is compacted meanwhile is then seen twice, never missed
        spooled = self._spooled()
        chosen = [one for one in self._shelf.listed(deployment) if one.high >= low and one.low < high]
        parts = [self._read(one, low, high, columns) for one in chosen]
        apart = _are_apart(chosen) and not spooled.height
        if spooled.height:
            parts.append(_between(spooled.filter(pl.col("deployment") == deployment), low, high))
        found = files.joined([part for part in parts if part.height])
        return found if apart else files.once(found)

    def newest(
        self, deployment: str, limit: int, revision: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The last answers that callers were given (no shadows), the newest first."""
        needed = None if columns is None else list(dict.fromkeys(["id", "at", "role", "revision", *columns]))
        return _patiently(lambda: self._newest(deployment, limit, revision, needed))

    def _newest(self, deployment: str, limit: int, revision: int | None, columns: Sequence[str] | None) -> pl.DataFrame:
        spooled, found = self._spooled(), []
        if spooled.height:
            found.append(_given(spooled.filter(pl.col("deployment") == deployment), revision, columns))
        for one in sorted(self._shelf.listed(deployment), key=lambda file: file.high, reverse=True):
            if sum(part.height for part in found) >= limit and microseconds(_nth_newest(found, limit)) > one.high:
                break
            found.append(_given(self._shelf.get(one), revision, columns))
        return files.once(files.joined([part for part in found if part.height])).tail(limit).reverse()

    def find(self, prediction: str) -> pl.DataFrame:
        """The one answer of that id, or an empty table."""
        return _patiently(lambda: self._find(prediction))

    def _find(self, prediction: str) -> pl.DataFrame:
        matching = self._spooled().filter(pl.col("id") == prediction)
        if matching.height:
            return _present(matching.head(1))
        for deployment in self.deployments():
            for one in self._shelf.listed(deployment):
                if one.first <= prediction <= one.last:
                    found = self._shelf.get(one).filter(pl.col("id") == prediction)
                    if found.height:
                        return found.head(1)
        return pl.DataFrame()

    def compact(self) -> Compaction:
        """Turn every ended segment of the spool into files, and many small files into one; may be repeated."""
        rows, written, segments = 0, [], 0
        for segment in self._ended():
            segments += 1
            for deployment, table in _by_deployment(segment):
                written.append(str(self._shelf.put(deployment, table, segment.id)))
                rows += table.height
            segment.path.unlink(missing_ok=True)
        for deployment in {path.parent.name for path in map(Path, written)}:
            self._shelf.merge(deployment)
        return Compaction(segments=segments, rows=rows, files=written)

    def _ended(self) -> Iterator[Segment]:
        for path in self._present():
            try:
                segment = read_segment(path)
            except FileNotFoundError:  # another process compacts too
                continue
            if segment.sealed and (segment.frames or _is_old(path)):
                yield segment

    def _read(self, one: LogFile, low: int, high: int, columns: Sequence[str] | None) -> pl.DataFrame:
        table = self._shelf.get(one)
        if columns is not None:
            table = table[list(dict.fromkeys(["id", "at", *columns]))]
        return table if one.low >= low and one.high < high else _cut(table, low, high)

    def _present(self) -> list[Path]:
        return [] if self._spool is None else sorted(self._spool.glob("*.seg"))

    def _spooled(self) -> pl.DataFrame:
        """What lies in the spool; segments are read from where the last reading ended."""
        with self._lock:
            return self._reread()

    def _reread(self) -> pl.DataFrame:
        present = self._present()
        for path in set(self._segments) - set(present):
            del self._segments[path]
        for path in present:
            end, table = self._segments.get(path, (0, files.joined([])))
            try:
                segment = read_segment(path, end)
            except FileNotFoundError:
                self._segments.pop(path, None)
                continue
            if segment.frames:
                table = files.joined([table, files.table_of(map(decode, segment.frames))])
            self._segments[path] = (segment.end, table)
        return files.joined([table for _, table in self._segments.values()])


def _patiently(read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Read again when a file was merged away in between."""
    for _ in range(_PATIENCE):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


def _is_old(path: Path) -> bool:
    """Whether an empty segment is a dead writer's; a young one may have a writer that has not locked it yet."""
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except FileNotFoundError:
        return False


def _by_deployment(segment: Segment) -> Iterator[tuple[str, pl.DataFrame]]:
    batches = [decode(payload) for payload in segment.frames]
    for deployment in sorted({batch.deployment for batch in batches}):
        yield deployment, files.table_of([batch for batch in batches if batch.deployment == deployment])


def _given(table: pl.DataFrame, revision: int | None, columns: Sequence[str] | None) -> pl.DataFrame:
    """What callers were given, by any revision or by one."""
    chosen = table.get_column("role") != SHADOW
    if revision is not None:
        chosen = chosen & (table.get_column("revision") == revision)
    return files.where(table if columns is None else table[list(columns)], chosen)


def _between(table: pl.DataFrame, low: int, high: int) -> pl.DataFrame:
    at = pl.col("at").to_physical()
    return table.filter((at >= low) & (at < high))


def _are_apart(chosen: Sequence[LogFile]) -> bool:
    """Whether each table ends before the next one begins: put below each other they are by time, each answer once."""
    return all(one.high < other.low for one, other in itertools.pairwise(chosen))


def _cut(table: pl.DataFrame, low: int, high: int) -> pl.DataFrame:
    """The answers of [low, high) of a table that is by time."""
    at = table.get_column("at").to_numpy().astype(np.int64)
    first, end = np.searchsorted(at, [low, high])
    return table.slice(int(first), int(end - first))


def _nth_newest(parts: Sequence[pl.DataFrame], n: int) -> datetime:
    found: datetime = pl.concat([part.get_column("at") for part in parts]).sort(descending=True)[n - 1]
    return found


def _present(table: pl.DataFrame) -> pl.DataFrame:
    """Without the inputs and outputs of other deployments that share the spool."""
    absent = [
        name for name in table.columns if name.startswith((INPUT, OUTPUT)) and table.get_column(name).null_count()
    ]
    return table.drop(absent)


def _column(name: str, present: Sequence[str]) -> pl.Expr:
    if name not in ("inputs", "outputs"):
        return pl.col(name)
    prefix = INPUT if name == "inputs" else OUTPUT
    members = [pl.col(one).alias(one.removeprefix(prefix)) for one in present if one.startswith(prefix)]
    return (pl.struct(members) if members else pl.struct(_none=pl.lit(None))).alias(name)


def _flattened(table: pl.DataFrame, deployment: str) -> pl.DataFrame:
    laid = table if "deployment" in table.columns else table.with_columns(deployment=pl.lit(deployment))
    for name, prefix in (("inputs", INPUT), ("outputs", OUTPUT)):
        if name in laid.columns:
            members = laid.get_column(name).struct.unnest()
            laid = laid.drop(name).with_columns([members[one].alias(f"{prefix}{one}") for one in members.columns])
    return laid[[*files.FIXED, *(name for name in laid.columns if name.startswith((INPUT, OUTPUT)))]]
