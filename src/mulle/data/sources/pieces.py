"""Sources that are made of pieces, each with a name and a stamp: files, what a URL gives, objects in a bucket.

A piece that is new is taken whole. One of lines (CSV, JSON lines) that only grew gives its new lines: its first bytes
are still what was taken. Anything else has changed, and what then happens is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import polars as pl
from blake3 import blake3

from mulle.data import files
from mulle.data.sources import formats, quarantine
from mulle.data.sources.formats import SUFFIXES, Format, Found, Stretch
from mulle.data.sources.port import Batch, Mark, Place, Position
from mulle.data.sources.shaping import shaped
from mulle.errors import DataError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Changed = Literal["error", "replace"]
Removed = Literal["keep", "error", "replace"]
BATCH_BYTES = 64 << 20
BATCH_PIECES = 1000
_ALIKE = 2


@dataclass(frozen=True)
class Piece:
    """One file, URL or object.

    Args:
        name: what its mark is kept under.
        stamp: differs when its content does; "" where that cannot be told without looking.
        fetched: a context in which its content is a local file.
        settled: the stamp may be trusted next time.
        format: how its lines are rows; None where it is no text of lines.
        extra: what its mark keeps besides.
    """

    name: str
    stamp: str
    fetched: Callable[[], AbstractContextManager[Path]]
    settled: bool = True
    format: Format | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def format_of(name: str) -> Format | None:
    """How the lines of a file of that name are rows; None where it is no plain text of lines."""
    return SUFFIXES.get(Path(name).suffix.lower())


@dataclass(frozen=True)
class Pieces:
    """Takes in what is new of some pieces; see `batches`."""

    what: str
    changed: Changed
    removed: Removed

    def batches(self, listed: Sequence[Piece], position: Position, place: Place) -> Iterator[Batch]:
        """What is new of the pieces, in the order given.

        Raises:
            DataError: one has changed or gone, which is declared to be an error.
        """
        gone = sorted(set(position.marks) - {piece.name for piece in listed})
        anew = bool(gone) and self.removed == "replace"
        if gone and self.removed == "error":
            raise DataError(
                f"{gone[0]} is gone from {self.what}",
                cause="its rows were taken; whether they still hold is not known",
                cure='put it back, or declare removed="keep" or removed="replace"',
            )
        looked = [piece for piece in listed if _may_be_new(piece, position.marks.get(piece.name))]
        taking = _Taking(place)
        if not anew:
            for piece in looked:
                mark = position.marks.get(piece.name)
                with piece.fetched() as path:
                    if mark is not None and not _continues(path, piece, mark):
                        self._refuse_changed(piece)
                        anew = True
                        break
                    yield from taking.take(piece, path, mark)
        if anew:
            yield self._whole(listed, place, gone)
        elif (last := taking.rest()) is not None:
            yield last

    def _refuse_changed(self, piece: Piece) -> None:
        if self.changed == "error":
            raise DataError(
                f"{piece.name} has changed since it was taken",
                cause="it does not begin as it did: rows were changed, not added",
                cure='give new rows a new name, or declare changed="replace" to take everything as it is now',
            )

    def _whole(self, listed: Sequence[Piece], place: Place, gone: Sequence[str]) -> Batch:
        """Everything there is, instead of what was taken."""
        taking = _Taking(place, endless=True)
        for piece in listed:
            with piece.fetched() as path:
                for _ in taking.take(piece, path, None):
                    pass
        batch = taking.rest(how="replace", message=f"{len(listed)} files of {self.what}, anew")
        assert batch is not None
        return replace(batch, marks={**batch.marks, **dict.fromkeys(gone)}, clears=True)


def _may_be_new(piece: Piece, mark: Mark | None) -> bool:
    return mark is None or not piece.stamp or mark["stamp"] != piece.stamp


def _continues(path: Path, piece: Piece, mark: Mark) -> bool:
    """Whether a piece still begins with what was taken of it, and what follows can be told from it."""
    size = path.stat().st_size
    if size < mark["size"]:
        return False
    with path.open("rb") as file:
        if _digest(file, mark["size"]).hexdigest() != mark["digest"]:
            return False
        following = file.read(1)
    if not following:
        return True
    return piece.format is not None and (not mark["open"] or following in (b"\n", b"\r"))


def _digest(file: BinaryIO, size: int) -> Any:
    """A digest that may go on, of the first bytes of a file, which stands after them then."""
    hasher = blake3()
    while size and (block := file.read(min(size, 1 << 20))):
        hasher.update(block)
        size -= len(block)
    return hasher


class _Taking:
    """Gathers the rows of pieces until they are enough for a version."""

    def __init__(self, place: Place, *, endless: bool = False) -> None:
        self._place = place
        self._endless = endless
        self._clear()

    def _clear(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._bad: list[pl.DataFrame] = []
        self._marks: dict[str, Mark] = {}
        self._spans: list[tuple[str, int]] = []
        self._bytes = 0

    def take(self, piece: Piece, path: Path, mark: Mark | None) -> Iterator[Batch]:
        """Read what is new of a piece; gives what was gathered whenever it is enough."""
        if piece.format is None:
            if mark is None:
                yield from self._add(piece, self._table(piece, path), path.stat().st_size)
            elif not piece.settled:
                return
            with path.open("rb") as file:
                size = path.stat().st_size
                self._marks[piece.name] = _mark(piece, _digest(file, size).hexdigest(), size)
            return
        yield from self._lines(piece, path, mark)

    def _table(self, piece: Piece, path: Path) -> Found:
        table = files.read_table_file(path)
        fit = shaped(table, self._place.types, piece.name, _ALIKE)
        wrong = fit.wrong
        if not wrong.any():
            return Found(fit.table, quarantine.bad([]))
        held = [
            (quarantine.text(table.row(at, named=True)), str(fit.reasons[at]), piece.name)
            for at in wrong.arg_true().to_list()
        ]
        return Found(fit.table.filter(~wrong), quarantine.bad(held))

    def _lines(self, piece: Piece, path: Path, mark: Mark | None) -> Iterator[Batch]:
        assert piece.format is not None
        begun: Mark = mark if mark is not None else {"size": 0, "lines": 0, "header": [], "open": False}
        lines, header, taken = begun["lines"], tuple(begun["header"]), begun["size"]
        with path.open("rb") as file:
            hasher = _digest(file, taken)
            left, cut_short = b"", begun["open"]
            while True:
                block = file.read(BATCH_BYTES)
                left += block
                if cut_short and left:  # the end of the line that was taken before it was there
                    skip = len(left) - len(left.removeprefix(b"\r").removeprefix(b"\n"))
                    hasher.update(left[:skip])
                    left, taken, cut_short = left[skip:], taken + skip, False
                end = formats.end_of_rows(left, piece.format) if block else len(left)
                part, left = left[:end], left[end:]
                if part or not block:
                    hasher.update(part)
                    taken += len(part)
                    header, found, skipped = self._read(piece, part, header, lines)
                    lines += part.count(b"\n")
                    del skipped
                    more = {"header": list(header), "lines": lines, "open": bool(part) and not part.endswith(b"\n")}
                    if not block and not part:
                        more["open"] = cut_short
                    self._marks[piece.name] = _mark(piece, hasher.hexdigest(), taken, unfinished=bool(block), **more)
                    yield from self._add(piece, found, len(part))
                if not block:
                    break
        if mark is not None and taken == mark["size"] and not piece.settled:
            del self._marks[piece.name]  # looked at, nothing new, and no wiser

    def _read(
        self, piece: Piece, part: bytes, header: tuple[str, ...], lines: int
    ) -> tuple[tuple[str, ...], Found, int]:
        assert piece.format is not None
        skipped = 0
        if not lines and part.startswith(b"\xef\xbb\xbf"):
            part = part[3:]
        if piece.format in ("csv", "tsv") and not header and part:
            end = part.find(b"\n") + 1 or len(part)
            header, part, skipped = tuple(formats.header_of(part[:end], piece.format, piece.name)), part[end:], 1
        stretch = Stretch(part, piece.name, lines + 1 + skipped)
        if not part.strip():
            return header, formats.NOTHING, skipped
        if piece.format == "jsonl":
            return header, formats.read_jsonl(stretch, self._place, _ALIKE), skipped
        return header, formats.read_csv(stretch, header, piece.format, self._place, _ALIKE), skipped

    def _add(self, piece: Piece, found: Found, size: int) -> Iterator[Batch]:
        table = found.table
        if table is not None and table.height:
            if self._frames and set(self._frames[0].columns) != set(table.columns):
                mark = self._marks.pop(piece.name, None)
                if (batch := self.rest()) is not None and not self._endless:
                    yield batch
                self._marks |= {} if mark is None else {piece.name: mark}
            alike = self._frames and set(self._frames[0].columns) == set(table.columns)
            self._frames.append(table.select(self._frames[0].columns) if alike else table)
            self._spans.append((piece.name, table.height))
            self._place = self._place.learned(table)
        self._bad.append(found.bad)
        self._bytes += size
        enough = self._bytes >= BATCH_BYTES or len(self._spans) >= BATCH_PIECES
        if enough and not self._endless and (batch := self.rest()) is not None:
            yield batch

    def rest(self, how: Literal["append", "replace"] = "append", message: str = "") -> Batch | None:
        """What was gathered; None where nothing was."""
        if not self._marks and not self._frames and how == "append":
            return None
        rows = _joined(self._frames, self._spans)
        first = self._spans[0][0] if self._spans else next(iter(self._marks), "")
        more = len({name for name, _ in self._spans}) - 1
        told = message or (f"{first} and {more} more" if more > 0 else first)
        batch = Batch(
            rows=rows,
            bad=quarantine.together(self._bad),
            marks=self._marks,
            how=how,
            message=told,
            spans=self._spans,
        )
        self._clear()
        return batch


def _mark(piece: Piece, digest: str, size: int, *, unfinished: bool = False, **more: Any) -> Mark:
    stamp = piece.stamp if piece.settled and not unfinished else ""
    return {
        "stamp": stamp,
        "size": size,
        "digest": digest,
        "open": False,
        "lines": 0,
        "header": [],
        **piece.extra,
        **more,
    }


def _joined(frames: Sequence[pl.DataFrame], spans: Sequence[tuple[str, int]]) -> pl.DataFrame | None:
    if not frames:
        return None
    try:
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        pairs = zip(spans, frames, strict=True)
        odd = next((span[0] for span, frame in pairs if frame.columns != frames[0].columns), spans[-1][0])
        raise DataError(
            f"{odd} does not have the columns of {spans[0][0]}",
            cause=str(error).partition("\n")[0],
            cure="mend that file",
        ) from error
