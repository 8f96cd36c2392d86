"""A table committed whole, stored as what changed since the version before it.

The rows that come in are aligned with those of the head (`mulle.data.align`). Parts whose rows are all there stay as
they are; a part of which some rows changed becomes a patch (`mulle.data.patches`) of the old part and a small new one;
many new rows in a row become parts. Order is content: what comes out has exactly the rows given, in their order, so
the logical digest does not depend on how they are stored.

Patches are made only as long as they pay: a part whose patch would keep too many rows that are gone, or take more new
rows than old, is written anew. That is the compaction of the layout, and it happens by itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mulle.data import parts, patches
from mulle.data.align import NONE, Aligner, Positions, hashes_of
from mulle.data.manifest import Bound, Entry
from mulle.data.patches import Patch, Piece, Rows, Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mulle.store import ObjectStore


@dataclass(frozen=True)
class Policy:
    """When a patch pays.

    Args:
        small: parts of up to so many bytes together are written anew rather than patched.
        group: neighbouring parts are patched together until they have so many bytes.
        sources: a patch names at most so many parts.
        dead: the share of its sources' rows, to its own, that a patch may leave out between rows that it takes.
        part: the share of its sources' rows that it has to take.
        new: the share of its rows that may be new.
        fresh: so many new rows in a row become a part of their own.
        carried: fewer new rows than this after a part that did not change go to the patch of the next one.
    """

    small: int = 64 << 10
    group: int = 4 << 20
    sources: int = 128
    dead: float = 0.3
    part: float = 0.25
    new: float = 0.5
    fresh: int = 1 << 18
    carried: int = 1 << 12


POLICY = Policy()
Told = tuple[int | None, int | None, Bound, Bound]


@dataclass
class _Span:
    """What rows span, as entries tell it, while rows are added."""

    low: int | None = None
    high: int | None = None
    first: Bound = None
    last: Bound = None
    known: bool = True

    def add(self, low: int | None, high: int | None, first: Any, last: Any) -> None:
        self.low = low if self.low is None else self.low if low is None else min(self.low, low)
        self.high = high if self.high is None else self.high if high is None else max(self.high, high)
        self.known = self.known and first is not None
        if self.known:
            self.first = first if self.first is None else min(self.first, first)
            self.last = last if self.last is None else max(self.last, last)

    def told(self) -> Told:
        return (self.low, self.high, *((self.first, self.last) if self.known else (None, None)))


@dataclass
class _Group:
    """Neighbouring rows of the new table, as rows of old parts (by number) or new ones (NONE), not yet written."""

    of: list[Rows] = field(default_factory=list)
    row: list[Rows] = field(default_factory=list)
    new: list[pl.DataFrame] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    span: _Span = field(default_factory=_Span)
    rows: int = 0
    added: int = 0


class DeltaWriter:
    """Takes the new table piece by piece and gives the entries of its parts, storing only what is new."""

    def __init__(
        self,
        store: ObjectStore,
        old: Sequence[Entry],
        event_time: str | None,
        key: Sequence[str],
        policy: Policy | None = None,
    ) -> None:
        """Reads the old parts once; keeps 16 bytes for each of their rows."""
        self._store = store
        self._old = old = [entry for entry in old if entry.rows]
        self._event_time = event_time
        self._key = key
        self._policy = policy or POLICY
        self._starts = np.concatenate([[0], np.cumsum([entry.rows for entry in old])])
        hashed = [hashes_of(parts.read(store, entry)) for entry in old]
        self._aligner = Aligner(np.concatenate(hashed, axis=1) if hashed else np.zeros((2, 0), np.uint64))
        self._group = _Group()
        self._part = NONE
        """The old part that the rows last added belong to; NONE before the first."""

    def add(self, piece: pl.DataFrame) -> Iterator[Entry]:
        """The entries that are complete with this piece."""
        found = self._aligner.match(hashes_of(piece))
        part = np.where(found == NONE, NONE, np.searchsorted(self._starts, found, side="right") - 1)
        row = found - self._starts[part]
        owner = np.maximum.accumulate(np.concatenate([[self._part], part]))[1:]
        edges = self._edges(part, owner)
        for low, high in itertools.pairwise(edges):
            if int(owner[low]) != self._part:
                yield from self._passed(int(owner[low]))
            if high - low >= self._policy.fresh and (part[low:high] == NONE).all():
                yield from self._close()
                yield from self._fresh(piece.slice(low, high - low))
            else:
                self._take(piece.slice(low, high - low), part[low:high], row[low:high])

    def end(self) -> Iterator[Entry]:
        """The entries of what is left."""
        yield from self._close()

    def _edges(self, part: Positions, owner: Positions) -> list[int]:
        """Where a piece is cut: between the rows of different old parts, and around long runs of new rows."""
        cuts = {0, len(part), *(np.flatnonzero(np.diff(owner)) + 1).tolist()}
        kind = patches.runs_of(np.where(part == NONE, NONE, 0), np.arange(len(part)))
        long = (kind.of == NONE) & (kind.take >= self._policy.fresh)
        return sorted(cuts | set(kind.start[long].tolist()) | set((kind.start + kind.take)[long].tolist()))

    def _take(self, rows: pl.DataFrame, part: Positions, row: Positions) -> None:
        group = self._group
        if self._part != NONE and group.parts[-1:] != [self._part]:
            group.parts.append(self._part)
        is_new = part == NONE
        count = int(is_new.sum())
        if count:
            group.new.append(rows.filter(pl.Series(is_new)) if count < len(part) else rows)
        group.of.append(part)
        group.row.append(np.where(is_new, group.added + np.cumsum(is_new) - 1, row))
        group.added += count
        group.rows += rows.height
        group.span.add(*parts.span(rows, self._event_time, self._key))

    def _passed(self, part: int) -> Iterator[Entry]:
        """Go on to rows of another old part; what is before them is written when it is enough for one patch."""
        before = [self._old[number] for number in self._group.parts]
        size = sum(entry.bytes for entry in before) + self._old[part].bytes
        sources = sum(len(parts.pieces(self._store, entry)) + 1 for entry in before)
        if size > self._policy.group or sources * 2 >= self._policy.sources or self._group.rows >= parts.PART_ROWS:
            yield from self._close(carry=True)
        self._part = part

    def _fresh(self, rows: pl.DataFrame) -> Iterator[Entry]:
        for piece in parts.cut(rows):
            yield parts.write(self._store, piece, self._event_time, self._key)

    def _close(self, *, carry: bool = False) -> Iterator[Entry]:
        """The entries of the group: untouched parts at its ends as they are, a patch or new parts between them."""
        group, self._group = self._group, _Group()
        if not group.rows:
            return
        runs = patches.runs_of(np.concatenate(group.of), np.concatenate(group.row))
        low, high = 0, len(runs.of)
        while low < high and self._is_whole(runs, low):
            yield self._old[int(runs.of[low])]
            low += 1
        after: list[Entry] = []
        while high > low and self._is_whole(runs, high - 1):
            high -= 1
            after.append(self._old[int(runs.of[high])])
        new = pl.concat(group.new) if group.new else None
        if carry and not after and runs.of[low:high].tolist() == [NONE] and group.added < self._policy.carried:
            assert new is not None
            before, self._part = self._part, NONE
            self._take(new, np.full(new.height, NONE), np.zeros(new.height, np.int64))
            self._part = before
        elif low < high:
            left = Runs(runs.of[low:high], runs.start[low:high], runs.take[low:high])
            yield from self._written(left, new, group.span if high - low == len(runs.of) else None)
        yield from reversed(after)

    def _is_whole(self, runs: Runs, at: int) -> bool:
        of = int(runs.of[at])
        return of != NONE and int(runs.take[at]) == self._old[of].rows

    def _written(self, runs: Runs, new: pl.DataFrame | None, span: _Span | None) -> Iterator[Entry]:
        numbers = [int(number) for number in np.unique(runs.of) if number != NONE]
        if not numbers:
            assert new is not None
            yield from self._fresh(new)
            return
        plan = _Plan.of([self._old[number] for number in numbers], self._store)
        of, row = plan.placed(runs, {number: at for at, number in enumerate(numbers)})
        if not self._pays(plan, of, row):
            yield from self._fresh(self._together(plan, of, row, new))
            return
        told = span.told() if span is not None else self._spanned(plan, of, row, new)
        yield self._patch(plan, of, row, new, told)

    def _pays(self, plan: _Plan, of: Rows, row: Rows) -> bool:
        policy = self._policy
        size = there = between = old = 0
        used = np.unique(of[of != NONE]).tolist()
        for number in used:
            taken = row[of == number]
            old += len(taken)
            there += plan.pieces[number].rows
            between += int(taken.max() - taken.min()) + 1 - len(taken)
            size += plan.pieces[number].bytes
        return (
            size > policy.small
            and len(used) < policy.sources
            and between <= policy.dead * len(of)
            and old >= policy.part * there
            and len(of) - old <= policy.new * len(of)
        )

    def _patch(self, plan: _Plan, of: Rows, row: Rows, new: pl.DataFrame | None, span: Told) -> Entry:
        used = np.unique(of[of != NONE])
        sources = [plan.pieces[number] for number in used.tolist()]
        number_of = np.zeros(len(plan.pieces) + 1, np.int64)
        number_of[used] = np.arange(len(used))
        if new is not None:
            entry = parts.write(self._store, new, None, ())
            number_of[NONE] = len(sources)
            sources.append(Piece(entry.digest, entry.rows, entry.bytes))
        runs = patches.runs_of(number_of[of], row)
        data = patches.encode(Patch(rows=len(of), sources=sources, runs=patches.packed(runs)))
        digest = self._store.put(data)
        return Entry(digest, len(of), sum(each.bytes for each in sources) + len(data), *span)

    def _spanned(self, plan: _Plan, of: Rows, row: Rows, new: pl.DataFrame | None) -> Told:
        columns = [*self._key[:1], *([self._event_time] if self._event_time is not None else [])]
        columns = list(dict.fromkeys(columns))
        if not columns:
            return None, None, None, None
        return parts.span(self._together(plan, of, row, new, columns), self._event_time, self._key)

    def _together(
        self, plan: _Plan, of: Rows, row: Rows, new: pl.DataFrame | None, columns: list[str] | None = None
    ) -> pl.DataFrame:
        used = np.unique(of[of != NONE]).tolist()
        frames = [parts.read(self._store, _entry(plan.pieces[number]), columns) for number in used]
        number_of = np.zeros(len(plan.pieces) + 1, np.int64)
        number_of[used] = np.arange(len(used))
        if new is not None:
            number_of[NONE] = len(frames)
            frames.append(new if columns is None else new.select(columns))
        return patches.put_together(frames, patches.runs_of(number_of[of], row))


@dataclass(frozen=True)
class _Plan:
    """Old parts in terms of the Parquet parts that they consist of."""

    pieces: list[Piece]
    rows: list[tuple[Rows, Rows] | int]
    """For each old part the piece and row of each of its rows, or the one piece that it is."""

    @classmethod
    def of(cls, entries: Iterable[Entry], store: ObjectStore) -> _Plan:
        pieces: list[Piece] = []
        numbers: dict[str, int] = {}
        rows: list[tuple[Rows, Rows] | int] = []

        def number(piece: Piece) -> int:
            if piece.digest not in numbers:
                numbers[piece.digest] = len(pieces)
                pieces.append(piece)
            return numbers[piece.digest]

        for entry in entries:
            patch = parts.find_patch(store, entry)
            if patch is None:
                rows.append(number(Piece(entry.digest, entry.rows, entry.bytes)))
            else:
                source, row = patches.unpacked(patch.runs).each_row()
                rows.append((np.array([number(piece) for piece in patch.sources])[source], row))
        return cls(pieces, rows)

    def placed(self, runs: Runs, number: dict[int, int]) -> tuple[Rows, Rows]:
        """For every row of the runs its piece (NONE for a new row) and its row there."""
        part, row = runs.each_row()
        of = np.full(len(part), NONE)
        for old, at in number.items():
            mine = part == old
            found = self.rows[at]
            if isinstance(found, int):
                of[mine] = found
            else:
                of[mine], row[mine] = found[0][row[mine]], found[1][row[mine]]
        return of, row


def _entry(piece: Piece) -> Entry:
    return Entry(piece.digest, piece.rows, piece.bytes)
