"""A history as lines that part and meet: which lane each version lies in, and how it reads in text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mulle.data.model import Version

V = TypeVar("V", bound=Version)


@dataclass(frozen=True)
class Lane:
    """Where a version lies among the lanes, and which lanes have a line on the way to it and on from it.

    Lines of the lanes `closing` come from above and end in this version, which lies in lane `at`; from it one begins in
    lane `opening`, where its second parent lies. `joining`: that lane had a line already, from a newer version.
    """

    at: int
    above: tuple[int, ...]
    below: tuple[int, ...]
    closing: tuple[int, ...] = ()
    opening: int | None = None
    joining: bool = False

    @property
    def width(self) -> int:
        """How many lanes there are here."""
        return max(self.at, *self.above, *self.below, 0) + 1


def lanes(history: Sequence[Version]) -> list[Lane]:
    """The lane of each version of a history that is given the newest first."""
    present = {version.number for version in history}
    waiting: list[int | None] = []
    """By lane, the number of the version that its line leads to."""
    found: list[Lane] = []
    for version in history:
        above = _lines(waiting)
        at, *closing = [lane for lane in above if waiting[lane] == version.number] or [_free(waiting)]
        for lane in (at, *closing):
            waiting[lane] = None
        waiting[at] = version.parent if version.parent in present else None
        opening, joining = None, False
        if version.merged in present and version.merged != version.parent:
            joining = version.merged in waiting
            opening = waiting.index(version.merged) if joining else _free(waiting, but=(at, *closing))
            waiting[opening] = version.merged
        found.append(Lane(at, above, _lines(waiting), tuple(closing), opening, joining))
    return found


def _lines(waiting: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(lane for lane, number in enumerate(waiting) if number is not None)


def _free(waiting: list[int | None], but: Sequence[int] = ()) -> int:
    """The first lane that no line passes through."""
    for lane, number in enumerate(waiting):
        if number is None and lane not in but:
            return lane
    waiting.append(None)
    return len(waiting) - 1


def drawn(history: Sequence[V]) -> Iterator[tuple[str, V | None]]:
    """The history as lines of text: each version with its place, and the lines between where lanes meet."""
    for version, lane in zip(history, lanes(history), strict=True):
        if lane.closing:
            yield _joint(lane), None
        yield _knot(lane), version


def _knot(lane: Lane) -> str:
    """The line of a version: its own knot, the lines that pass, and to its second parent a line that begins."""
    passing = {*lane.above, *lane.below} - {*lane.closing}
    cells = ["*" if column == lane.at else "│" if column in passing else " " for column in range(lane.width)]
    if lane.opening is None:
        return " ".join(cells).rstrip()
    right = lane.opening > lane.at
    end = ("┤" if right else "├") if lane.joining else ("╮" if right else "╭")
    return _bridged(cells, lane.at, [lane.opening], "┬", end)


def _joint(lane: Lane) -> str:
    """The line above a version in which the lines of other lanes come to it."""
    cells = ["│" if column in lane.above else " " for column in range(lane.width)]
    cells[lane.at] = "├"
    return _bridged(cells, lane.at, lane.closing, "┴", "╯")


def _bridged(cells: list[str], at: int, to: Sequence[int], middle: str, end: str) -> str:
    """The cells with a line from one of them to others."""
    low, high = min(at, *to), max(at, *to)
    last = low if low != at else high
    drawn_cells = list(cells)
    for column in range(low, high + 1):
        if column in to:
            drawn_cells[column] = end if column == last else middle
        elif column != at:
            drawn_cells[column] = "┼" if cells[column] == "│" else "─"
    line = drawn_cells[0]
    for column in range(1, len(drawn_cells)):
        line += ("─" if low < column <= high else " ") + drawn_cells[column]
    return line.rstrip()
