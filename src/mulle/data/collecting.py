"""Taking in what a source has to offer, each window or each state of the files exactly once.

The rows are fetched, checked and stored outside of any transaction; then one transaction adds the version and moves the
source's cursor, unless another process has moved it meanwhile. A kill at any instant leaves either both or neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data import drafts, files, hooks, versions
from mulle.data.columns import table_from, with_event_time
from mulle.data.definition import Source
from mulle.data.publishing import Move, OvertakenError, Request
from mulle.data.sources.polling import Polling
from mulle.data.sources.polling import follow as follow_source
from mulle.data.sources.port import Polled
from mulle.data.sources.release import Released
from mulle.data.sources.release import release as release_held
from mulle.errors import DataError, MulleError
from mulle.stats.checks import check_table, schema_skew

if TYPE_CHECKING:
    from mulle.data.definition import Dataset
    from mulle.data.model import Version
    from mulle.data.publishing import Publisher

Check = Callable[["pl.DataFrame"], None]
"""A function of the new rows that raises when they must not be committed."""

Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class Order:
    """What is to be collected: the dataset with its source, and how; see `DataService.collect`."""

    definition: Dataset
    root: Path
    check: Check | None = None
    whole: bool = False
    anew: bool = False


def collect(publisher: Publisher, order: Order, until: datetime) -> list[Version]:
    """Take in what the source has, by its kind."""
    definition = order.definition
    if isinstance(definition.source, Polled):
        return Polling(publisher, definition, order.root, order.check).collect(anew=order.anew)
    if order.anew and definition.source is not None:
        raise DataError(
            f"the source of '{definition.name}' cannot be taken anew",
            cause="it is read by window, or whole, and keeps no place to go back to",
            cure=f"mulle data commit {definition.name} FILE, with all rows",
        )
    if isinstance(definition.source, Source):
        return collect_windows(publisher, definition, until, order.check, whole=order.whole)
    if definition.source is not None:
        return collect_files(publisher, definition, order.root, order.check)
    raise DataError(
        f"dataset '{definition.name}' has no source",
        cause="its rows are committed by hand",
        cure=f"mulle data commit {definition.name} FILE",
    )


def follow(
    publisher: Publisher, order: Order, until: datetime | None, stopped: Callable[[float], bool] | None
) -> Iterator[Version]:
    """Collect again and again, until an instant or until told to stop; each version as it is made."""
    definition = order.definition
    if not isinstance(definition.source, Polled):
        raise DataError(
            f"the source of '{definition.name}' cannot be followed",
            cause="only files, http, objects, sql and lines are asked again and again",
            cure=f"mulle data collect {definition.name}, or let the wheel turn: mulle server",
        )
    for landed in follow_source(Polling(publisher, definition, order.root, order.check), until, stopped):
        if landed.version is not None:
            yield landed.version


def release(publisher: Publisher, order: Order) -> Released:
    """Take in what was put aside and now fits."""
    return release_held(Polling(publisher, order.definition, order.root))


def collect_windows(
    publisher: Publisher, definition: Dataset, until: datetime, check: Check | None, *, whole: bool
) -> list[Version]:
    """Call the source for each window that is over by `until` and was not yet taken; a version for each with rows.

    With `whole`, all of them make one version.
    """
    source = definition.source
    assert isinstance(source, Source)
    made: list[Version] = []
    while due := list(source.windows(since := _since(publisher, definition), until)):
        for group in [due] if whole else [[window] for window in due]:
            move = Move(since, group[-1][1], compare=True)
            try:
                made += _take(publisher, definition, group, check, move)
            except OvertakenError:
                break  # another process was faster: begin again from where it stands
            since = move.until
    return made


def _since(publisher: Publisher, definition: Dataset) -> datetime | None:
    with publisher.catalog.read() as tx:
        return versions.stands_at(tx, definition.name)


def _take(
    publisher: Publisher, definition: Dataset, windows: list[Window], check: Check | None, move: Move
) -> list[Version]:
    """The version of the windows' rows; none where they have no rows."""
    frames = [rows for window in windows if (rows := _rows(definition, window)) is not None and rows.height]
    start, end = windows[0][0], windows[-1][1]
    if not frames:
        if not publisher.skip(definition.name, move):
            raise OvertakenError
        return []
    table = frames[0] if len(frames) == 1 else _joined(definition, frames)
    request = Request(
        definition.name,
        definition.key,
        definition.event_time,
        message=f"{start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}",
        watermark=end,
        facts=inspect(definition, table, check),
        move=move,
    )
    return [publisher.commit(request, _allowed(definition, request, table), append=True)]


def _allowed(definition: Dataset, request: Request, table: pl.DataFrame) -> pl.DataFrame:
    """The rows as the store keeps them, once the dataset's own checks have let them pass."""
    rows = _normal(definition, table)
    change = hooks.Change(action="commit", dataset=request.name, branch=request.branch, message=request.message)
    hooks.require(definition, lambda: rows, change)
    return rows


def _normal(definition: Dataset, table: pl.DataFrame) -> pl.DataFrame:
    return drafts.normal(
        table, definition.name, key=definition.key, event_time=definition.event_time, expect=definition.expect
    )


def _joined(definition: Dataset, frames: list[pl.DataFrame]) -> pl.DataFrame:
    try:
        return pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"the source of '{definition.name}' gives different columns for different windows",
            cause=str(error).partition("\n")[0],
            cure="let it give the same columns and types each time",
        ) from error


def _rows(definition: Dataset, window: Window) -> pl.DataFrame | None:
    """The source's rows for a window, each of them within it."""
    start, end = window
    assert isinstance(definition.source, Source)
    assert definition.event_time is not None
    where = f"the source of '{definition.name}' for {start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}"
    try:
        given = definition.source(start, end)
    except MulleError:
        raise
    except Exception as error:
        raise DataError(
            f"{where} failed: {type(error).__name__}: {error}", cause="its function raised", cure="mend it; see --debug"
        ) from error
    if given is None:
        return None
    table = table_from(given)
    if not table.height:
        return None
    table = with_event_time(table, definition.event_time, where)
    times = table[definition.event_time]
    inside = times.is_between(start, end, closed="left")
    if not inside.all(ignore_nulls=False):
        odd = "a null" if times.null_count() else times.filter(~inside)[0]
        raise DataError(
            f"{where} gave a row outside of it",
            cause=f"'{definition.event_time}' has {odd}",
            cure="filter the rows to start <= time < end",
        )
    return table


def inspect(definition: Dataset, table: pl.DataFrame, check: Check | None) -> dict[str, Any]:
    """Refuse rows that do not fit the declared schema; give what the event should say about their values.

    Raises:
        SchemaSkewError: a declared column is missing or has another type.
    """
    if check is not None:
        check(table)
    if definition.expect is None:
        return {}
    violations = check_table(definition.expect, table)
    skew = schema_skew(violations, f"dataset '{definition.name}'")
    if skew is not None:
        raise skew
    return {"violations": [[each.column, each.rule, each.rows] for each in violations]} if violations else {}


def collect_files(publisher: Publisher, definition: Dataset, root: Path, check: Check | None) -> list[Version]:
    """Read the files of the source whole; a new version when their content changed."""
    assert isinstance(definition.source, str)
    paths = files.matching(definition.source, root)
    stamp = files.fingerprint(paths, time.time_ns())
    with publisher.catalog.read() as tx:
        before = versions.find_head(tx, definition.name)
        _, known = versions.cursor(tx, definition.name)
    if before is not None and stamp and stamp == known:
        return []
    table = files.read_table_files(paths)
    request = Request(
        definition.name,
        definition.key,
        definition.event_time,
        message=definition.source,
        facts=inspect(definition, table, check),
        move=Move(fingerprint=stamp),
    )
    version = publisher.commit(request, _allowed(definition, request, table), append=False)
    return [] if before is not None and version.number == before.number else [version]
