"""Taking in what a source has to offer, each window or each state of the files exactly once.

The rows are fetched, checked and stored outside of any transaction; then one transaction adds the version and moves the
source's cursor, unless another process has moved it meanwhile. A kill at any instant leaves either both or neither.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data import files, versions
from mulle.data.columns import table_from, with_event_time
from mulle.data.definition import Source
from mulle.errors import DataError, MulleError
from mulle.stats.checks import check_table, schema_skew

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from mulle.data.definition import Dataset
    from mulle.data.model import Version
    from mulle.data.publishing import Publisher

Check = Any
"""A function of the new rows that raises when they must not be committed."""

Window = tuple["datetime", "datetime"]


def collect_windows(
    publisher: Publisher,
    definition: Dataset,
    until: datetime,
    check: Callable[[pl.DataFrame], None] | None,
    *,
    whole: bool,
) -> list[Version]:
    """Call the source for each window that is over by `until` and was not yet taken; a version for each with rows.

    With `whole`, all of them make one version.
    """
    source = definition.source
    assert isinstance(source, Source)
    made: list[Version] = []
    while True:
        since = _since(publisher, definition)
        due = list(source.windows(since, until))
        if not due:
            return made
        for group in [due] if whole else [[window] for window in due]:
            version, taken = _take(publisher, definition, group, check, since)
            if not taken:
                break  # another process was faster: begin again from where it stands
            since = group[-1][1]
            made += [version] if version is not None else []


def _since(publisher: Publisher, definition: Dataset) -> datetime | None:
    """Where the next window begins: at the cursor, or at the watermark of what was committed by hand."""
    with publisher.catalog.read() as tx:
        until, _ = versions.cursor(tx, definition.name)
        head = versions.find_head(tx, definition.name)
    return until if until is not None else (head.watermark if head is not None else None)


def _take(
    publisher: Publisher,
    definition: Dataset,
    windows: list[Window],
    check: Callable[[pl.DataFrame], None] | None,
    since: datetime | None,
) -> tuple[Version | None, bool]:
    frames = [rows for window in windows if (rows := _rows(definition, window)) is not None and rows.height]
    end = windows[-1][1]
    if not frames:
        return None, publisher.skip(definition.name, since, end)
    table = frames[0] if len(frames) == 1 else _joined(definition, frames)
    facts = inspect(definition, table, check)
    span = f"{windows[0][0]:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}"
    return publisher.append(definition, table, message=span, watermark=end, since=since, facts=facts)


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
    low, high = table[definition.event_time].min(), table[definition.event_time].max()
    if table[definition.event_time].null_count() or low < start or high >= end:  # type: ignore[operator]
        odd = "a null" if table[definition.event_time].null_count() else str(low if low < start else high)  # type: ignore[operator]
        raise DataError(
            f"{where} gave a row outside of it",
            cause=f"'{definition.event_time}' has {odd}",
            cure="filter the rows to start <= time < end",
        )
    return table


def inspect(definition: Dataset, table: pl.DataFrame, check: Callable[[pl.DataFrame], None] | None) -> dict[str, Any]:
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
    if not violations:
        return {}
    return {"violations": [[each.column, each.rule, each.rows] for each in violations]}


def collect_files(
    publisher: Publisher, definition: Dataset, root: Path, check: Callable[[pl.DataFrame], None] | None
) -> list[Version]:
    """Read the files of the source whole; a new version when their content changed."""
    assert isinstance(definition.source, str)
    paths = files.matching(definition.source, root)
    print_now = files.fingerprint(paths, time.time_ns())
    with publisher.catalog.read() as tx:
        before = versions.find_head(tx, definition.name)
        _, known = versions.cursor(tx, definition.name)
    if before is not None and print_now and print_now == known:
        return []
    table = files.read_table_files(paths)
    facts = inspect(definition, table, check)
    version = publisher.replace(definition, table, message=definition.source, fingerprint=print_now, facts=facts)
    return [] if before is not None and version.number == before.number else [version]
