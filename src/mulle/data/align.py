"""Which rows of a table that comes in are rows of one that is there, in order.

Rows are compared by two 64-bit hashes of their bits, salted by the process: nulls, NaN and -0.0 are themselves. What
comes back are pairs of rows that both grow, so that the rows between them are what was removed and what is new.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
"""Two hashes a row, as a (2, rows) array."""
Positions = np.ndarray[Any, np.dtype[np.int64]]

NONE = -1
STRETCH = 4096
"""A longer stretch of rows that differ where they stand is looked for elsewhere too."""
WINDOW = 1 << 20
MANY_RUNS = 300_000
_SEEDS = (secrets.randbits(63), secrets.randbits(63))


def hashes_of(table: pl.DataFrame) -> Hashes:
    """The hashes of each row's bits. Comparable within this process, between tables with the same types."""
    bits = pl.DataFrame([_bits(column) for column in table.get_columns()])
    if not bits.width:
        return np.zeros((2, table.height), np.uint64)
    return np.stack([bits.hash_rows(seed=seed).to_numpy() for seed in _SEEDS])


def value_hashes_of(table: pl.DataFrame) -> Hashes:
    """The hashes of each row's values: -0.0 as 0.0, and every NaN alike."""
    if not table.width:
        return np.zeros((2, table.height), np.uint64)
    return np.stack([table.hash_rows(seed=seed).to_numpy() for seed in _SEEDS])


def _bits(column: pl.Series) -> pl.Series:
    """The column with floating-point numbers as the integers of their bits; Polars hashes -0.0 as 0.0."""
    if not _has_floats(column.dtype):
        return column
    array = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    found = pl.from_arrow(array.view(_as_bits(array.type)))
    assert isinstance(found, pl.Series)
    return found.alias(column.name)


def _has_floats(dtype: Any) -> bool:
    if isinstance(dtype, pl.List | pl.Array):
        return _has_floats(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return any(_has_floats(field.dtype) for field in dtype.fields)
    return bool(dtype.is_float())


def _as_bits(kind: Any) -> Any:
    """The Arrow type with floats as integers of the same width."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    if pa.types.is_floating(kind):
        return {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[kind.bit_width]
    if pa.types.is_large_list(kind):
        return pa.large_list(_as_bits(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_as_bits(kind.value_type), kind.list_size)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _as_bits(field.type)) for field in kind])
    return kind


class Aligner:
    """Finds the rows of pieces of a new table, one piece after the other, among those of an old one."""

    def __init__(self, old: Hashes) -> None:
        self._old = old
        self._next = 0
        self._unpaired = 0

    def match(self, new: Hashes) -> Positions:
        """For each row of the next piece its row in the old table, or NONE; what is found grows from piece to piece."""
        found = self._where_they_stand(new)
        if found is None:
            found = self._anywhere(new)
        taken = np.flatnonzero(found != NONE)
        if len(taken):
            self._next = int(found[taken[-1]]) + 1
            self._unpaired = len(found) - 1 - int(taken[-1])
        else:
            self._unpaired += len(found)
        return found

    def _where_they_stand(self, new: Hashes) -> Positions | None:
        """Pairs of rows where the last piece ended, or as many rows later as were new since; None where they differ."""
        rows = new.shape[1]
        found = np.full(rows, NONE)
        if not rows or self._next >= self._old.shape[1]:
            return found
        for start in dict.fromkeys((self._next + self._unpaired, self._next)):
            there = self._old[:, start : start + rows]
            same = (there == new[:, : there.shape[1]]).all(axis=0)
            bad = np.flatnonzero(~same)
            if len(same) and len(bad) * 4 <= len(same) and (not len(bad) or _longest_stretch(bad) <= STRETCH):
                at = np.flatnonzero(same)
                found[at] = at + start
                return found
        return None

    def _anywhere(self, new: Hashes) -> Positions:
        """Pairs of equal rows wherever they are: near by where enough of them are there, else in all that is left."""
        rows = new.shape[1]
        near = self._old[:, self._next : self._next + 2 * rows + WINDOW]
        found = self._paired(near, new)
        far = self._old[:, self._next :]
        if far.shape[1] > near.shape[1] and (found != NONE).sum() * 2 < rows:
            further = self._paired(far, new)
            if (further != NONE).sum() * 2 >= rows:
                return further
        return found

    def _paired(self, old: Hashes, new: Hashes) -> Positions:
        pairs = joined(old, new)
        keep = heaviest_chain(pairs[0])
        found = np.full(new.shape[1], NONE)
        found[pairs[1][keep]] = pairs[0][keep] + self._next
        return found


def _longest_stretch(bad: Positions) -> int:
    edges = np.flatnonzero(np.diff(bad) != 1)
    return int(np.diff(np.concatenate([[-1], edges, [len(bad) - 1]])).max())


def joined(old: Hashes, new: Hashes) -> tuple[Positions, Positions]:
    """Pairs (old row, new row) of equal rows by new row; of rows that repeat, the first with the first, and so on."""
    sides = [
        pl.DataFrame({"a": hashes[0], "b": hashes[1]}).with_row_index("row").cast({"row": pl.Int64})
        for hashes in (old, new)
    ]
    on = ["a", "b"]
    if any(side["a"].n_unique() < side.height for side in sides):
        sides = [side.with_columns(pl.int_range(pl.len()).over("a", "b").alias("nth")) for side in sides]
        on.append("nth")
    pairs = sides[0].join(sides[1], on=on, suffix="_new").sort("row_new")
    return pairs["row"].to_numpy(), pairs["row_new"].to_numpy()


def heaviest_chain(values: Positions) -> Positions:
    """The places of as many values as grow from one to the next, neighbours in value and place being kept together.

    Of more than MANY_RUNS runs only those that are in order with all others: a shuffled table is no edit of another.
    """
    if not len(values) or (np.diff(values) > 0).all():
        return np.arange(len(values))
    first = np.concatenate([[0], np.flatnonzero(np.diff(values) != 1) + 1])
    length = np.diff(np.concatenate([first, [len(values)]]))
    chosen = _in_order(values, first, length) if len(first) > MANY_RUNS else _chain(values[first], length)
    return np.concatenate([np.arange(first[run], first[run] + length[run]) for run in chosen] or [np.empty(0, int)])


def _in_order(values: Positions, first: Positions, length: Positions) -> Iterable[int]:
    start = values[first]
    end = start + length
    before = np.concatenate([[-1], np.maximum.accumulate(end)[:-1]])
    after = np.concatenate([np.minimum.accumulate(start[::-1])[::-1][1:], [end.max()]])
    kept: list[int] = np.flatnonzero((start >= before) & (end <= after)).tolist()
    return kept


def _chain(starts: Positions, lengths: Positions) -> list[int]:
    """The heaviest chain of runs whose starts grow: prefix maxima in a Fenwick tree over the ranks of the starts."""
    count = len(starts)
    rank = np.empty(count, np.int64)
    rank[np.argsort(starts)] = np.arange(1, count + 1)
    best, holder = [0] * (count + 1), [NONE] * (count + 1)
    before = [NONE] * count
    top, last = 0, NONE
    for run, (place, weight) in enumerate(zip(rank.tolist(), lengths.tolist(), strict=True)):
        total, chosen = 0, NONE
        at = place - 1
        while at > 0:
            if best[at] > total:
                total, chosen = best[at], holder[at]
            at &= at - 1
        before[run] = chosen
        total += weight
        if total > top:
            top, last = total, run
        at = place
        while at <= count:
            if total > best[at]:
                best[at], holder[at] = total, run
            at += at & -at
    chain: list[int] = []
    while last != NONE:
        chain.append(last)
        last = before[last]
    return chain[::-1]
