"""A stream of lines: a file that grows, is rotated and truncated, or standard input.

Where a file was read up to is told by its first bytes and the last ones that were read, not by its name: so a log that
was rotated or copied away is found among its neighbours and read to its end before the new one is begun.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from blake3 import blake3

from mulle.data.sources import formats
from mulle.data.sources.formats import SUFFIXES, Format, Found, Parse, Stretch
from mulle.data.sources.port import Batch, Place, Position
from mulle.errors import DataError, ProjectError
from mulle.types import duration

if TYPE_CHECKING:
    from mulle.clock import Clock

STDIN = "-"
_BLOCK = 16 << 20
_HEAD = 1024
_TAIL = 256
_ALIKE = 50
"""So many rows must agree that a column has another type now: a few odd lines are odd lines."""


@dataclass(frozen=True)
class LinesSource:
    """See `lines`."""

    path: str
    format: Format | None
    parse: Parse | None
    columns: tuple[str, ...]
    batch: int
    every: timedelta
    gone: Literal["error", "continue"]

    kind = "lines"

    @property
    def address(self) -> str:
        return "standard input" if self.path == STDIN else self.path

    @property
    def identity(self) -> str:
        return f"lines {self.path}"

    def cursor(self, position: Position) -> str:
        state = position.state
        return f"line {state['lines']}, byte {state['offset']}" if "offset" in state else (
            f"line {state['lines']}" if "lines" in state else "")  # fmt: skip

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        if self.path == STDIN:
            if sys.stdin.isatty():
                raise DataError(
                    "nothing is piped into this command",
                    cause="the source is standard input, and that is the keyboard",
                    cure="tail -F events.jsonl | mulle data collect NAME --from -",
                )
            yield from self._piped(sys.stdin.buffer, place)
            return
        path = place.root / self.path
        stand, moved = Stand.of(position.state), True
        while moved:
            moved = False
            reading = self._to_read(path, stand)
            gap = ", after a gap" if stand.offset and reading and reading[0].fresh else ""
            for number, one in enumerate(reading):
                with _opened(one) as file:
                    if file is None or not (one.fresh or stand.is_in(file)):
                        moved = True  # it was rotated just now: look again for where the lines go on
                        break
                    begun = Stand(read=True) if one.fresh else stand
                    if not stand.read and not one.size:  # from now on it is known which file was looked at first
                        yield Batch(state=begun.after(file, b"", ()).state(), message="nothing yet")
                        return
                    for batch in self._of_file(one.path.name, file, begun, place, last=number + 1 == len(reading)):
                        place, stand = place.learned(batch.rows), Stand.of(batch.state)
                        yield replace(batch, message=batch.message + gap)
                        gap = ""

    def _to_read(self, path: Path, stand: Stand) -> list[_Reading]:
        """The files to read, in order: the one that was begun, those that followed it, and the present one.

        One that is still empty is not begun: whoever writes may still write to the one before it.
        """
        if not stand.read and not path.is_file():
            raise DataError(
                f"there is no file {path}", cause="the path does not exist", cure="check the path of the source"
            )
        present = _reading(path, fresh=True)  # before its neighbours, so that a rotation in between is noticed
        if not stand.read:
            return present
        if present and _is_in(stand, path, moved=False):
            return [replace(present[0], fresh=False)]
        beside = [each for each in _neighbours(path) if each.is_file()]
        around = sorted(beside, key=lambda each: each.stat().st_mtime_ns)
        places = [
            number for moved in (False, True) for number, each in enumerate(around) if _is_in(stand, each, moved=moved)
        ]
        at = places[0] if places else None
        if at is None and present and _is_in(stand, path, moved=True):
            return [replace(present[0], fresh=False)]
        following = [] if at is None else [one for each in around[at + 1 :] for one in _reading(each, fresh=True)]
        fresh = [one for one in [*following, *present] if one.size]
        if at is not None:
            return [*_reading(around[at], fresh=False), *fresh]
        if self.gone == "continue" or stand.offset == 0:
            return fresh
        raise DataError(
            f"{path} no longer has the lines that were read up to line {stand.lines}",
            cause="it was rotated or truncated, and no file beside it begins as it did: what came last may be lost",
            cure='put the old file beside it, or go on all the same, as mulle.lines(…, gone="continue")',
        )

    def _of_file(self, name: str, file: BinaryIO, stand: Stand, place: Place, *, last: bool) -> Iterator[Batch]:
        """What a file has after what was read; the last line without its end only where another file follows."""
        file.seek(stand.offset)
        left = b""
        while True:
            block = file.read(_BLOCK)
            left += block
            if block and len(left) < _BLOCK:
                continue
            end = formats.end_of_rows(left, self.format) if last or block else len(left)
            whole, left = left[:end], left[end:]
            for part in _parts(whole, self.batch, self.format):
                header, rows = self._headed(stand, part, name)
                found = self._rows(rows, name, header, stand.lines + 1 + (len(rows) != len(part)), place)
                place = place.learned(found.table)
                stand = stand.after(file, part, header)
                yield _batch(found, stand.state(), name)
            if not block:
                return

    def _headed(self, stand: Stand, part: bytes, name: str) -> tuple[tuple[str, ...], bytes]:
        """The names of a CSV's columns, and the part without the line that says them."""
        if self.format not in ("csv", "tsv") or self.columns or stand.header:
            return stand.header or self.columns, part
        end = formats.end_of_rows(part[: part.find(b"\n") + 1], None) or len(part)
        return tuple(formats.header_of(part[:end], self.format, name)), part[end:]

    def _rows(self, data: bytes, name: str, header: Sequence[str], first: int, place: Place) -> Found:
        stretch = Stretch(data, name, first)
        if self.parse is not None:
            return formats.read_lines(stretch, self.parse, place, _ALIKE)
        if not data.strip():
            return formats.NOTHING
        if self.format in ("csv", "tsv"):
            return formats.read_csv(stretch, header, self.format, place, _ALIKE)
        return formats.read_jsonl(stretch, place, _ALIKE)

    def _piped(self, stream: BinaryIO, place: Place) -> Iterator[Batch]:
        """Lines as they come: a batch when there are enough, when the first has waited long enough, and at the end."""
        stand = Stand(header=self.columns)
        for part in _waited(stream, self.batch, self.every.total_seconds(), self.format, place.clock):
            header, part_ = self._headed(stand, part, "standard input")
            skipped = len(part) != len(part_)
            found = self._rows(part_, "standard input", header, stand.lines + 1 + skipped, place)
            stand = Stand(lines=stand.lines + part.count(b"\n") + (not part.endswith(b"\n")), header=header)
            place = place.learned(found.table)
            yield _batch(found, {"lines": stand.lines}, "standard input", live=True)


_RECORDED = ("offset", "lines", "head", "head_size", "tail", "inode")


@dataclass(frozen=True)
class Stand:
    """How far a file was read: bytes and lines, and what tells the file again."""

    offset: int = 0
    lines: int = 0
    header: tuple[str, ...] = ()
    head: str = ""
    head_size: int = 0
    tail: str = ""
    inode: int = 0
    read: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Stand:
        """As it was recorded."""
        if "offset" not in state:
            return cls()
        return cls(**{name: state[name] for name in _RECORDED}, header=tuple(state["header"]), read=True)

    def state(self) -> dict[str, Any]:
        """As it is recorded."""
        return {**{name: getattr(self, name) for name in _RECORDED}, "header": list(self.header)}

    def after(self, file: BinaryIO, part: bytes, header: tuple[str, ...]) -> Stand:
        """After so many bytes more of a file."""
        offset, place = self.offset + len(part), file.tell()
        size, inode = min(offset, _HEAD), os.fstat(file.fileno()).st_ino
        head, tail = _digest(file, 0, size), _digest(file, max(0, offset - _TAIL), offset)
        file.seek(place)
        lines = self.lines + part.count(b"\n")
        return Stand(offset, lines, header, head, size, tail, inode, read=True)

    def is_in(self, file: BinaryIO, *, moved: bool = True) -> bool:
        """Whether a file begins with what was read; and is the same one, unless it may have been copied (`moved`)."""
        status = os.fstat(file.fileno())
        if status.st_size < self.offset or (status.st_ino != self.inode and (not moved or self.offset == 0)):
            return False
        same_head = _digest(file, 0, self.head_size) == self.head
        return same_head and _digest(file, max(0, self.offset - _TAIL), self.offset) == self.tail


@dataclass(frozen=True)
class _Reading:
    """A file as it was seen: from its beginning or not, which one it was, and how long."""

    path: Path
    fresh: bool
    inode: int
    size: int


def _reading(path: Path, *, fresh: bool) -> list[_Reading]:
    """One such, or none where there is no file any more."""
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return [_Reading(path, fresh, status.st_ino, status.st_size)]
    return []


@contextmanager
def _opened(one: _Reading) -> Iterator[BinaryIO | None]:
    """The file that was seen; None where another one now has its name."""
    try:
        file = one.path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if os.fstat(file.fileno()).st_ino == one.inode else None


def _is_in(stand: Stand, path: Path, *, moved: bool) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        return stand.is_in(file, moved=moved)
    return False


def _digest(file: BinaryIO, start: int, end: int) -> str:
    file.seek(start)
    return blake3(file.read(end - start)).hexdigest(16)


def _neighbours(path: Path) -> Iterator[Path]:
    """The files that a rotated log may have become: `app.log.1`, `app.log-20240101`, `app.1.log`."""
    if not path.parent.is_dir():
        return
    for each in path.parent.iterdir():
        packed = each.suffix in (".gz", ".xz", ".zst", ".bz2")
        if each != path and each.name.startswith(path.stem) and not packed:
            yield each


def _parts(data: bytes, rows: int, kind: Format | None) -> Iterator[bytes]:
    """Whole rows in parts of so many lines."""
    if data.count(b"\n") <= rows:
        if data:
            yield data
        return
    start, at = 0, 0
    while start < len(data):
        for _ in range(rows):
            at = data.find(b"\n", at) + 1
            if at == 0:
                at = len(data)
                break
        cut = start + (formats.end_of_rows(data[start:at], kind) or (at - start)) if at < len(data) else at
        yield data[start:cut]
        start = at = cut


def _waited(stream: BinaryIO, rows: int, seconds: float, kind: Format | None, clock: Clock) -> Iterator[bytes]:
    left, began = b"", 0.0
    read = getattr(stream, "read1", stream.read)
    while True:
        if left and not _ready(stream, max(0.0, began + seconds - clock.monotonic())):
            block: bytes | None = None  # nothing came: what waits has waited long enough
        else:
            block = read(1 << 16)
            began = began if left else clock.monotonic()
            left += block or b""
        ended = block == b""
        end = len(left) if ended else formats.end_of_rows(left, kind)
        if ended or block is None or left.count(b"\n") >= rows or clock.monotonic() - began >= seconds:
            yield from _parts(left[:end], rows, kind)
            left, began = left[end:], clock.monotonic()
        if ended:
            return


def _ready(stream: BinaryIO, seconds: float) -> bool:
    try:
        return bool(select.select([stream], [], [], seconds)[0])
    except (OSError, ValueError):
        return True  # it is no descriptor: reading does not wait


def _batch(found: Found, state: Mapping[str, Any], name: str, *, live: bool = False) -> Batch:
    rows = found.table.height if found.table is not None else 0
    message = f"{rows:,} {'line' if rows == 1 else 'lines'} of {name}"
    return Batch(rows=found.table, bad=found.bad, state=state, message=message, spans=[(name, rows)], live=live)


def lines(
    path: str | Path,
    *,
    format: Literal["csv", "tsv", "jsonl"] | None = None,  # noqa: A002 - the word that people use
    parse: Callable[[str], Mapping[str, Any] | None] | None = None,
    columns: Sequence[str] = (),
    batch: int = 10_000,
    every: str | timedelta = "1s",
    gone: Literal["error", "continue"] = "continue",
) -> LinesSource:
    """The lines of a file that grows, or of standard input ("-"), each once.

    A line counts when its end is there. A file that is rotated, moved or truncated is followed: what was not yet read
    of it is looked for beside it first. Standard input cannot be asked again: what a killed process had read and not
    committed has to be sent again; with a key, rows that were committed already are not taken twice.

    Args:
        path: the file, below the project's root where it is relative, or "-".
        format: "jsonl" (a JSON object a line), "csv" or "tsv"; by the path's ending, else "jsonl".
        parse: makes a row of a line instead; None is no row, and what it raises is why the line is put aside.
        columns: the names of a CSV's columns, where the first line does not say them.
        batch: how many lines make a version at most.
        every: how long lines wait for others; how often the file is looked at.
        gone: where the file was truncated or replaced and no file beside it begins as it did: go on with what is there,
            as `tail -F` does (the version's message says that there may be a gap), or an error.
    """
    if batch < 1:
        raise ProjectError(f"a batch cannot have {batch} lines", cure="give a positive number, as batch=10000")
    kind: Format | None = None if parse is not None else format or SUFFIXES.get(Path(path).suffix.lower(), "jsonl")
    return LinesSource(str(path), kind, parse, tuple(columns), batch, duration(every), gone)
