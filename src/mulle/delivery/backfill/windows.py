"""The windows of a range, and what the run of each is given. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from croniter import croniter

from mulle.delivery.backfill.model import Window
from mulle.errors import UsageError
from mulle.types import duration

MOST = 10_000


def windows(start: datetime, end: datetime, every: str) -> list[Window]:
    """The whole windows within [start, end), the oldest first.

    Args:
        start: where the first begins; with a cron expression, at its first tick from there on.
        end: the last ends no later.
        every: their length, as "1d" or "6h"; or a cron expression in UTC: from each tick to the next.

    Raises:
        UsageError: `every` is neither, there is no whole window, or there are more than MOST.
    """
    found = [Window(key=_named(begin, until), start=begin, end=until) for begin, until in _spans(start, end, every)]
    if not found:
        raise UsageError(
            f"there is no whole window of {every} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
            cause="a window counts when it has ended",
            cure="a later --to, or a shorter --every",
        )
    return found


def _spans(start: datetime, end: datetime, every: str) -> Iterator[tuple[datetime, datetime]]:
    marks = _ticks(start, end, every) if " " in every.strip() else _steps(start, end, every)
    for number, span in enumerate(pairwise(marks)):
        if number == MOST:
            raise UsageError(
                f"that is more than {MOST:,} windows", cause=f"every {every}", cure="a longer --every, or less at once"
            )
        yield span


def _steps(start: datetime, end: datetime, every: str) -> Iterator[datetime]:
    length = duration(every)
    if length <= timedelta(0):
        raise UsageError(f"windows of {every} have no length", cause="it is not positive", cure="--every 1d")
    while start <= end:
        yield start
        start += length


def _ticks(start: datetime, end: datetime, cron: str) -> Iterator[datetime]:
    if not croniter.is_valid(cron):
        raise UsageError(
            f"'{cron}' is neither a length of time nor a cron expression",
            cause="five fields are needed: minute hour day month weekday",
            cure='--every 1d, or --every "0 4 * * *"',
        )
    found = croniter(cron, start - timedelta(seconds=1))
    tick: datetime = found.get_next(datetime).astimezone(UTC)
    while tick <= end:
        yield tick
        tick = found.get_next(datetime).astimezone(UTC)


def _named(start: datetime, end: datetime) -> str:
    whole_days = not any(
        (each.hour, each.minute, each.second, each.microsecond) != (0, 0, 0, 0) for each in (start, end)
    )
    return f"{start:%Y-%m-%d}" if whole_days else f"{start:%Y-%m-%d %H:%M}"


def crossed(spans: Sequence[Window], column: str, values: Sequence[str]) -> list[Window]:
    """Each window for each value of a column; the values alone where there are no windows."""
    if not spans:
        return [Window(key=f"{column}={value}", partition=value) for value in values]
    return [
        Window(key=f"{span.key} {column}={value}", start=span.start, end=span.end, partition=value)
        for span in spans
        for value in values
    ]


def filled(window: Window, params: Mapping[str, Any], names: Sequence[str], column: str = "") -> dict[str, Any]:
    """The parameters of a window's run.

    Text may speak of the window: `{start}`, `{end}`, `{as_of}`, `{partition}`, with Python's formats
    (`{start:%Y%m%d}`). A parameter that is called `as_of`, `start`, `end`, `partition` or as the column, and is not
    given, gets it.

    Args:
        window: the window.
        params: as they were given.
        names: the parameters that the pipeline has.
        column: of the partition.

    Raises:
        UsageError: a text speaks of something else.
    """
    known = {"start": window.start, "end": window.end, "as_of": window.as_of, "partition": window.partition or None}
    known = {name: value for name, value in known.items() if value is not None}
    if column and window.partition:
        known |= {column: window.partition}
    found = {name: _text(value) for name, value in known.items() if name in names}
    return found | {name: _spoken(name, value, known) for name, value in params.items()}


def _spoken(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or "{" not in value:
        return value
    try:
        return value.format(**{each: _Instant(at) if isinstance(at, datetime) else at for each, at in known.items()})
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the parameter '{name}' cannot be {value!r}",
            cause=f"{type(error).__name__}: {error}; a window has: {', '.join(known)}",
            cure="write for example --param day={start:%Y-%m-%d}; {{ and }} stand for braces",
        ) from error


class _Instant:
    """An instant in a text: ISO 8601, or as its format says."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def __format__(self, spec: str) -> str:
        return format(self._at, spec) if spec else _text(self._at)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
