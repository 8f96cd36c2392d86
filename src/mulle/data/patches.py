"""A part that is written as what changed: runs of rows of other parts, in order.

A patch names its *sources* (Parquet parts) and says which of their rows, in which order, are the rows of this part. So
a table in which one row in a hundred changed stores those rows and a list of runs. Sources are never patches: a patch
of a patched part names the same sources and one more.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl

from mulle.errors import StoreError
from mulle.types import Digest

FORMAT = 1
FEW_RUNS = 256
"""Up to so many runs a part is put together from slices; more are gathered row by row."""

Rows = np.ndarray[Any, np.dtype[np.int64]]


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A Parquet part that a patch takes rows from."""

    digest: Digest
    rows: int
    bytes: int


class Patch(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="patch"):
    """The object of a patched part; `runs` as `packed` gives them."""

    format: int = FORMAT
    rows: int
    sources: list[Piece]
    runs: str


@dataclass(frozen=True)
class Runs:
    """Rows as runs: `take[i]` rows of the source `of[i]`, from its row `start[i]` on."""

    of: Rows
    start: Rows
    take: Rows

    @property
    def rows(self) -> int:
        """How many rows they are together."""
        return int(self.take.sum())

    def each_row(self) -> tuple[Rows, Rows]:
        """For every row the number of its source, and its row there."""
        before = np.cumsum(self.take) - self.take
        within = np.arange(self.rows) - np.repeat(before, self.take)
        return np.repeat(self.of, self.take), np.repeat(self.start, self.take) + within


def runs_of(source: Rows, row: Rows) -> Runs:
    """The runs of rows told one by one."""
    if not len(source):
        return Runs(*(np.empty(0, np.int64) for _ in range(3)))
    breaks = (np.diff(source) != 0) | (np.diff(row) != 1)
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    take = np.diff(np.concatenate([first, [len(source)]]))
    return Runs(source[first], row[first], take)


def packed(runs: Runs) -> str:
    """The runs as text: for each its source, the rows of that source left out since its last run, the rows taken.

    What is left out is counted modulo 2³², so that a source may also be gone back in. All sources come first, then all
    skips, then all takes, as u32; of these all lowest bytes, then all second ones, and so on; this compressed by zlib,
    and written as base64.
    """
    skip = runs.start.copy()
    for source in np.unique(runs.of):
        mine = np.flatnonzero(runs.of == source)
        skip[mine[1:]] -= (runs.start + runs.take)[mine[:-1]]
    words = np.concatenate([runs.of, skip, runs.take]).astype("<u4")
    planes = words.view(np.uint8).reshape(-1, 4).T.tobytes()
    return base64.b64encode(zlib.compress(planes)).decode()


def unpacked(text: str) -> Runs:
    """The runs that `packed` wrote."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    words = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").ravel().astype(np.int64)
    of, skip, take = words.reshape(3, -1)
    start = np.empty_like(skip)
    for source in np.unique(of):
        mine = np.flatnonzero(of == source)
        before = np.cumsum(take[mine]) - take[mine]
        start[mine] = (np.cumsum(skip[mine]) + before) & 0xFFFFFFFF
    return Runs(of, start, take)


def encode(patch: Patch) -> bytes:
    """The object's bytes: JSON, which begins unlike a Parquet file."""
    return msgspec.json.encode(patch)


def is_patch(data: bytes) -> bool:
    """Whether these are the bytes of a patch, and not those of a Parquet file."""
    return data[:1] == b"{"


def decode(data: bytes) -> Patch:
    """The patch.

    Raises:
        StoreError: the bytes are none, or of a format that this mulle does not know.
    """
    try:
        patch = msgspec.json.decode(data, type=Patch)
    except msgspec.MsgspecError as error:
        raise StoreError("an object is not a part of a table", cause=str(error), cure="mulle data verify") from error
    if patch.format != FORMAT:
        raise StoreError(
            f"a part of a table has format {patch.format}",
            cause=f"this mulle reads format {FORMAT}",
            cure="pip install --upgrade mulle",
        )
    return patch


def put_together(frames: list[pl.DataFrame], runs: Runs) -> pl.DataFrame:
    """The rows of the runs, of sources with the same columns. The list is emptied, so that memory can be used again.

    Rows replaced where they stand, and rows left out, have ways of their own that are quicker than gathering.
    """
    if len(runs.take) <= FEW_RUNS:
        slices = [
            frames[of].slice(start, take)
            for of, start, take in zip(runs.of.tolist(), runs.start.tolist(), runs.take.tolist(), strict=True)
        ]
        return pl.concat(slices) if slices else frames[0].clear()
    heights = np.array([frame.height for frame in frames])
    first, rest = frames[0], pl.concat(frames[1:], rechunk=True) if len(frames) > 1 else None
    frames.clear()
    theirs = runs.of == 0
    place = np.cumsum(runs.take) - runs.take
    others = Runs(runs.of[~theirs], runs.start[~theirs], runs.take[~theirs])
    stays = heights[0] == runs.rows and np.array_equal(runs.start[theirs], place[theirs])
    if rest is not None and stays and others.rows * 8 < runs.rows:
        of, row = others.each_row()
        at = Runs(others.of, place[~theirs], others.take).each_row()[1]
        columns = first.get_columns()
        del first
        return _replaced(columns, at, rest, row + (np.cumsum(heights) - heights)[of] - heights[0])
    grows = bool((runs.start[theirs][1:] >= (runs.start + runs.take)[theirs][:-1]).all())
    if rest is None and grows:
        return first.filter(pl.Series(_marked(runs, int(heights[0]))))
    return _gathered(first, rest, runs, heights, grows=grows)


def _marked(runs: Runs, rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the first source's rows are taken, when no row is taken twice."""
    theirs = runs.of == 0
    edges = np.zeros(rows + 1, np.int8)
    edges[runs.start[theirs]] += 1
    np.subtract.at(edges, (runs.start + runs.take)[theirs], 1)
    return np.cumsum(edges[:-1], dtype=np.int8).astype(bool)


def _gathered(
    first: pl.DataFrame, rest: pl.DataFrame | None, runs: Runs, heights: Rows, *, grows: bool
) -> pl.DataFrame:
    """The rows in any order; where the first source's stay in theirs, it is cut down to those before."""
    source, row = runs.each_row()
    theirs = source == 0
    place = row + (np.cumsum(heights) - heights)[source]
    if grows:
        first = first.filter(pl.Series(_marked(runs, int(heights[0]))))
        place[~theirs] += first.height - heights[0]
        place[theirs] = np.arange(first.height)
    whole = first if rest is None else pl.concat([first, rest])
    kinds = runs_of(np.zeros_like(place), place)
    if len(kinds.take) <= FEW_RUNS:
        slices = zip(kinds.start.tolist(), kinds.take.tolist(), strict=True)
        return pl.concat([whole.slice(start, take) for start, take in slices])
    return whole.rechunk().select(pl.all().gather(pl.Series(place, dtype=pl.UInt32)))


def _replaced(columns: list[pl.Series], at: Rows, rest: pl.DataFrame, others: Rows) -> pl.DataFrame:
    """The columns with other values at some rows: written in place where nobody else refers to the values."""
    new = rest[pl.Series(others, dtype=pl.UInt32)].get_columns()
    return pl.DataFrame([_scattered(columns, at, values) for values in new])


def _scattered(columns: list[pl.Series], at: Rows, values: pl.Series) -> pl.Series:
    """The first of the columns, taken from the list, with the values at some rows; each chunk by itself."""
    dtype = values.dtype
    if dtype.is_nested() or isinstance(dtype, pl.Null | pl.Decimal):
        old = columns.pop(0)
        order = np.arange(len(old))
        order[at] = len(old) + np.arange(len(at))
        return pl.concat([old, values], rechunk=True).gather(pl.Series(order, dtype=pl.UInt32))
    chunks = columns.pop(0).get_chunks()
    made: list[pl.Series] = []
    before = 0
    while chunks:
        chunk = chunks.pop(0)
        rows = len(chunk)
        low, high = np.searchsorted(at, [before, before + rows]).tolist()
        if low < high:
            places = pl.Series(at[low:high] - before, dtype=pl.UInt32)
            chunk = chunk.scatter(places, values.slice(low, high - low))
        made.append(chunk)
        before += rows
    return made[0] if len(made) == 1 else pl.concat(made)
