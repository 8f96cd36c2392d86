"""The lines of a history as a page draws them: one small picture beside each version, which meet those above and below.

A picture is one unit high and one wide for each lane; the page stretches it to the height of its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.data.lanes import Lane

COLOURS = 8


@dataclass(frozen=True)
class Rail:
    """A line of a picture, as the data of an SVG path, and the number of its colour."""

    path: str
    colour: int


@dataclass(frozen=True)
class Picture:
    """What is drawn beside a version: its lane and colour, and the lines."""

    at: int
    colour: int
    lines: list[Rail]


def rails(history: Sequence[Lane]) -> tuple[int, list[Picture]]:
    """How many lanes there are, and the picture of each version."""
    return max((lane.width for lane in history), default=1), [_picture(lane) for lane in history]


def _picture(lane: Lane) -> Picture:
    lines = []
    for column in lane.above:
        to = lane.at if column in lane.closing else column
        lines.append(Rail(_line(column, 0, to, 0.5), column % COLOURS))
    for column in lane.below:
        new = column == lane.opening and not lane.joining
        lines.append(Rail(_line(lane.at if new else column, 0.5, column, 1), column % COLOURS))
    if lane.opening is not None and lane.joining:
        lines.append(Rail(_line(lane.at, 0.5, lane.opening, 1), lane.opening % COLOURS))
    return Picture(lane.at, lane.at % COLOURS, lines)


def _line(column: int, top: float, to: int, bottom: float) -> str:
    x, end, middle = column + 0.5, to + 0.5, (top + bottom) / 2
    if column == to:
        return f"M{x} {top}V{bottom}"
    return f"M{x} {top}C{x} {middle} {end} {middle} {end} {bottom}"
