"""Taking in what was put aside, once the schema or the dataset fits it; what still does not stays where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mulle.data import drafts, reading
from mulle.data.publishing import OvertakenError, Request
from mulle.data.sources import quarantine, repeats
from mulle.data.sources.landing import aside
from mulle.data.sources.shaping import from_objects, shaped
from mulle.errors import unknown
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.data.model import Version
    from mulle.data.sources.polling import Polling
    from mulle.data.sources.port import Place

_ROW = "__held"


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a quarantine: how many rows came in, how many stay, and the version made, if there is one."""

    dataset: str
    released: int
    held: int
    version: str | None


@leasing(lambda polling: polling.publisher.store)
def release(polling: Polling) -> Released:
    """Take in the rows of a quarantine that now fit, with the instants of their arrival, in one transaction.

    Raises:
        UnknownNameError: nothing of the dataset was ever put aside.
    """
    publisher, definition = polling.publisher, polling.definition
    name = definition.name
    while True:
        head = publisher.find_head(quarantine.name_of(name))
        if head is None:
            raise unknown("quarantine", quarantine.name_of(name), (), cure="mulle data list")
        held = reading.read_version(publisher.store, head.digest).with_row_index(_ROW)
        rows = _fitting(polling, held)
        if not rows.height:
            return Released(dataset=name, released=0, held=held.height, version=None)
        try:
            version = _taken(polling, head, held, rows)
        except OvertakenError:
            continue  # something was put aside or released meanwhile
        return Released(dataset=name, released=rows.height, held=held.height - rows.height, version=version.ref)


def _fitting(polling: Polling, held: pl.DataFrame) -> pl.DataFrame:
    """The rows that fit now, each with its number in the quarantine."""
    definition = polling.definition
    place = polling.place()
    table = _typed(held, place)
    if not table.height or (place.columns is not None and set(place.columns) - set(table.columns)):
        table = _with_missing(table, place)
    known = None if place.columns is None else {*place.columns, _ROW}
    if known is not None:
        table = table.select(name for name in table.columns if name in known)
    wanted = set() if definition.expect is None else set(definition.expect.columns())
    if not table.height or wanted - set(table.columns):
        return table.clear()
    good, _ = quarantine.sorted_out(definition, table, ())
    return good


def _typed(held: pl.DataFrame, place: Place) -> pl.DataFrame:
    found: list[dict[str, Any]] = []
    for number, text in held.select(_ROW, "row").iter_rows():
        try:
            row = json.loads(text)
        except ValueError:
            continue
        if isinstance(row, dict) and (place.columns is None or set(row) <= set(place.columns)):
            found.append({**row, _ROW: number})
    table = from_objects(found, place.types)
    fit = shaped(table, place.types, "the quarantine", len(found) + 1)
    return fit.table.filter(~fit.wrong)


def _with_missing(table: pl.DataFrame, place: Place) -> pl.DataFrame:
    absent = [name for name in place.columns or () if name not in table.columns and name not in place.needed]
    return table.with_columns(pl.lit(None, dtype=place.types.get(name, pl.Null())).alias(name) for name in absent)


def _taken(polling: Polling, aside_head: Version, held: pl.DataFrame, rows: pl.DataFrame) -> Version:
    """The version with the rows, beside which the quarantine is left with the others."""
    publisher, definition = polling.publisher, polling.definition
    remaining = held.filter(~pl.col(_ROW).is_in(rows[_ROW].implode())).drop(_ROW)
    left = aside(publisher, definition.name, remaining, append=False)
    if left.head is None or left.head.number != aside_head.number:
        raise OvertakenError
    if definition.arrives is not None:
        when = held.select(_ROW, pl.col("arrived").alias(definition.arrives))
        rows = rows.drop(definition.arrives, strict=False).join(when, on=_ROW, how="left", maintain_order="left")
    table = drafts.normal(
        rows.drop(_ROW), definition.name, key=definition.key, event_time=definition.event_time, expect=definition.expect
    )
    head = publisher.find_head(definition.name)
    append = True
    if head is not None and definition.key:
        found = repeats.find(publisher.store, head, table, definition.key, definition.arrives)
        if found is not None:
            table, append = repeats.updated(publisher.store, head, table, definition.key), False

    def along(tx: Tx, version: Version) -> None:
        if not append and (head is None or head.number not in {version.parent, version.number}):
            raise OvertakenError
        left.publish(tx, version)
        payload = {"released": rows.height, "held": remaining.height, "version": version.ref}
        tx.event(f"dataset:{definition.name}", payload, verb="data.release")

    request = Request(
        definition.name,
        definition.key,
        definition.event_time,
        message=f"{rows.height} rows released from quarantine",
        along=along,
    )
    return publisher.commit(request, table, append=append)
