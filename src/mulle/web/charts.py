"""What the browser draws: frozen specifications, made here so that a page's template only places them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: a value for each x, None where there is none."""

    label: str
    values: Sequence[float | None]
    colour: int | None = None
    dash: bool = False
    points: bool = False
    line: bool = True


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vertical line: something that happened at x. `kind` is a tone: ok, warn, bad, live."""

    x: float
    label: str
    kind: str = ""


class Lines(msgspec.Struct, frozen=True, omit_defaults=True, tag="line", tag_field="kind"):
    """Lines over a common x; `time` says that x is seconds since 1970; charts of one `sync` share their cursor."""

    x: Sequence[float]
    series: Sequence[Series]
    time: bool = False
    marks: Sequence[Mark] = ()
    sync: str = ""
    range: tuple[float, float] | None = None


class Point(msgspec.Struct, frozen=True):
    """One named point of a scatter plot."""

    name: str
    value: tuple[float, float]
    colour: int = 0


class Scatter(
    msgspec.Struct, frozen=True, tag="scatter", tag_field="kind", rename={"x_name": "xName", "y_name": "yName"}
):
    """Named points over two quantities."""

    points: Sequence[Point]
    x_name: str
    y_name: str


class Bars(msgspec.Struct, frozen=True, tag="bars", tag_field="kind"):
    """One bar a name."""

    names: Sequence[str]
    values: Sequence[float]


def over_time(
    series: dict[str, Sequence[tuple[datetime, float | None]]], marks: Sequence[Mark] = (), sync: str = ""
) -> Lines:
    """Lines over time from points that need not share their instants."""
    instants = sorted({at.timestamp() for points in series.values() for at, _ in points})
    place = {at: index for index, at in enumerate(instants)}
    lines = []
    for label, points in series.items():
        values: list[float | None] = [None] * len(instants)
        for at, value in points:
            values[place[at.timestamp()]] = value
        lines.append(Series(label, values))
    return Lines(instants, lines, time=True, marks=marks, sync=sync)


class Event(msgspec.Struct, frozen=True):
    """Something that happened at x in a lane; `kind` is a tone."""

    x: float
    lane: int
    label: str
    kind: str = ""


class Lanes(msgspec.Struct, frozen=True, omit_defaults=True, tag="lanes", tag_field="kind"):
    """What happened, one lane a kind, over the same time as the charts of the same `sync`."""

    names: Sequence[str]
    events: Sequence[Event]
    sync: str = ""
    range: tuple[float, float] | None = None


class Axis(msgspec.Struct, frozen=True):
    """One of parallel axes: its name, and where its ticks are, from 0 at the bottom to 1 at the top."""

    name: str
    ticks: Sequence[tuple[float, str]]


class Strand(msgspec.Struct, frozen=True):
    """One line over parallel axes: its place on each, how good it is from 0 to 1, and the page that it leads to."""

    places: Sequence[float | None]
    good: float
    label: str
    status: str
    url: str = ""


class Parallel(msgspec.Struct, frozen=True, tag="parallel", tag_field="kind"):
    """Parallel coordinates: a strand for each thing that is compared."""

    axes: Sequence[Axis]
    strands: Sequence[Strand]
