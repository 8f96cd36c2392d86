"""What a project says about its datasets: where rows come from, what identifies them, when they are asked about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.data.sources.port import OnBad, Polled
from mulle.definitions import define
from mulle.errors import ProjectError
from mulle.types import duration, instant

if TYPE_CHECKING:
    import polars as pl

    from mulle.stats.schema import Schema

Rows = Callable[[datetime, datetime], Any]
"""Rows whose event time lies in [start, end), as any table; None where there are none."""


@dataclass(frozen=True)
class Source:
    """A function by window. It stays a plain function: `source(start, end)` calls it."""

    function: Rows
    every: timedelta
    start: datetime

    def __post_init__(self) -> None:
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, name):
                object.__setattr__(self, name, getattr(self.function, name))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, start: datetime, end: datetime) -> Any:
        return self.function(start, end)

    def windows(self, since: datetime | None, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The whole windows that are over by `until` and begin at or after `since`, counted from the source's start."""
        start = self.start
        if since is not None and since > start:
            start += -((start - since) // self.every) * self.every
        while start + self.every <= until:
            yield start, start + self.every
            start += self.every


def source(*, every: str | timedelta, start: str | datetime) -> Callable[[Rows], Source]:
    """Make a function `(start, end) -> rows` the source of a growing dataset, called once for each window.

    Args:
        every: the window's length, as "1d" or "1h".
        start: the instant of the first window.
    """
    length, first = duration(every), instant(start)
    if length <= timedelta(0):
        raise ProjectError(f"a source's windows cannot last {every}", cure='give a positive length, as every="1d"')
    return lambda function: Source(function, length, first)


@dataclass(frozen=True)
class Dataset:
    """A dataset as its project defines it.

    `asked` is when a row's question is put, relative to its event time ("-2h": two hours before); `label_delay` is
    how long after its event time the outcome is known. `on_bad` is what becomes of rows that do not fit, `arrived` the
    column of their arrival, each None where the kind of source decides; see `keeps` and `arrives`.
    """

    name: str
    source: Source | Polled | str | None = None
    key: tuple[str, ...] = ()
    event_time: str | None = None
    asked: timedelta = timedelta(0)
    label: str | None = None
    label_delay: timedelta = timedelta(0)
    expect: type[Schema] | None = None
    checks: tuple[Callable[..., Any], ...] = ()
    on_bad: OnBad | None = None
    arrived: str | None = None

    @property
    def keeps(self) -> OnBad:
        """What becomes of rows that do not fit: put aside where the source is asked what is new, else kept."""
        return self.on_bad or ("quarantine" if isinstance(self.source, Polled) else "keep")

    @property
    def arrives(self) -> str | None:
        """The column that says when a row came in; None where there is none.

        There is one where it is named, and `arrived` where rows of known times come from a source that is asked.
        """
        by_itself = "arrived" if self.event_time is not None and isinstance(self.source, Polled) else None
        return by_itself if self.arrived is None else self.arrived or None

    def outcomes(self) -> list[str]:
        """The columns that are known only when the label is: the label, and what the schema marks so."""
        marked = self.expect.outcomes() if self.expect is not None else []
        if self.label is not None and self.label not in marked:
            marked.append(self.label)
        return marked


def dataset(
    name: str,
    *,
    source: Source | Polled | str | Path | None = None,
    key: Sequence[str] = (),
    event_time: str | None = None,
    asked: str | timedelta | None = None,
    label: str | None = None,
    label_delay: str | timedelta | None = None,
    expect: type[Schema] | None = None,
    checks: Sequence[Callable[..., Any]] = (),
    on_bad: OnBad | None = None,
    arrived: str | None = None,
) -> Dataset:
    """Define a dataset.

    Args:
        name: unique in the project.
        source: a function made by `mulle.source`; `mulle.files`, `mulle.http`, `mulle.objects`, `mulle.sql` or
            `mulle.lines`, which are asked what is new; or a path or glob of CSV, Parquet, JSON lines or Arrow files,
            which are read whole whenever they change.
        key: the columns that identify a row.
        event_time: the column that says when a row's event happens.
        asked: when its question is put, relative to the event time; the default is at the event.
        label: the column to predict.
        label_delay: how long after the event the label is known.
        expect: the declared schema; a commit that does not fit it is refused.
        checks: functions `check(rows)` or `check(rows, change)` that may refuse a commit, a merge or a tag: they raise,
            or return a reason or False.
        on_bad: what becomes of rows that break the declared schema, the key or the event time: "quarantine" puts them
            aside with the reason, "refuse" takes nothing in, "keep" takes and counts them. The default is "quarantine"
            for the sources that are asked what is new, else "keep".
        arrived: the column with the instant at which a row came in, empty for what was there at the beginning. The
            default is "arrived" where there is an event_time and the source is asked what is new; "" is none. Of a
            source by window it is a column that its function gives.
    """
    if on_bad not in (None, "keep", "quarantine", "refuse"):
        raise ProjectError(
            f"dataset '{name}' has on_bad={on_bad!r}",
            cause="rows that do not fit are kept, quarantined or refused",
            cure='write on_bad="quarantine", "refuse" or "keep"',
        )
    if isinstance(key, str):
        raise ProjectError(
            f"dataset '{name}' has the key {key!r}", cause="a key is a list of columns", cure=f'write key=["{key}"]'
        )
    if event_time is None and (asked is not None or label_delay is not None or isinstance(source, Source)):
        raise ProjectError(
            f"dataset '{name}' has no event_time",
            cause="a source by window, asked and label_delay are told relative to it",
            cure='name the column, as event_time="at"',
        )
    defined = Dataset(
        name,
        source=str(source) if isinstance(source, Path) else source,
        key=tuple(key),
        event_time=event_time,
        asked=duration(asked) if asked is not None else timedelta(0),
        label=label,
        label_delay=duration(label_delay) if label_delay is not None else timedelta(0),
        expect=expect,
        checks=tuple(checks),
        on_bad=on_bad,
        arrived=arrived,
    )
    define("dataset", name, defined)
    return defined


def asked_at(defined: Dataset, table: pl.DataFrame) -> pl.Series:
    """The instant at which each row's question is put.

    Raises:
        ProjectError: the dataset has no event time.
    """
    if defined.event_time is None:
        raise ProjectError(
            f"dataset '{defined.name}' has no event_time",
            cause="features join at the instant a row is asked about",
            cure='name the column, as mulle.dataset(…, event_time="at")',
        )
    return table[defined.event_time] + defined.asked
