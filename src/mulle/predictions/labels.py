"""The truth of predictions: rows of the dataset whose outcome is known by now, met by key, and feedback by id."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from mulle.predictions.keys import key_text
from mulle.registry import Inputs

if TYPE_CHECKING:
    from mulle.data.model import Version

MARGIN = timedelta(days=2)
"""How much older than its question an event may be and still be found as its truth."""


_SCHEMA: dict[str, Any] = {"key": pl.String, "label": pl.Float64, "labelled": pl.Datetime("us", "UTC")}


class Rows(Protocol):
    """Where labelled rows are read from. `mulle.data.DataService` is one."""

    def head(self, name: str) -> Version:
        """The newest version of a dataset."""

    def read(
        self, ref: Version, columns: Any = None, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """The rows of a dataset's version with event times in [start, end)."""


class KnownLabels:
    """The labels that were known lately, by content: several catalogs in one process may share them.

    Args:
        most: how many tables of labels are kept.
    """

    def __init__(self, most: int = 1) -> None:
        self._most = most
        self._tables: OrderedDict[tuple[Any, ...], pl.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, data: Rows, inputs: Inputs, now: datetime, since: datetime | None) -> pl.DataFrame:
        """Labels that are known at `now`: key, label, labelled (when it became known).

        Empty when nothing says where they are. Those of events before `since`, but for a margin, are left out.
        """
        if not inputs.dataset or not inputs.key or inputs.label is None:
            return pl.DataFrame(schema=_SCHEMA)
        version = data.head(inputs.dataset)
        place = (version.digest, *inputs.key, inputs.label, inputs.event_time, inputs.label_delay, since, now)
        with self._lock:
            if place in self._tables:
                self._tables.move_to_end(place)
                return self._tables[place]
        found = _known(data, version, inputs, now, since)
        with self._lock:
            self._tables[place] = found
            if len(self._tables) > self._most:
                self._tables.popitem(last=False)
        return found


def _known(data: Rows, version: Version, inputs: Inputs, now: datetime, since: datetime | None) -> pl.DataFrame:
    delay = timedelta(seconds=inputs.label_delay)
    time, label = inputs.event_time, str(inputs.label)
    wanted = list(dict.fromkeys([*inputs.key, label, *([time] if time else [])]))
    start = since - MARGIN if since is not None and time else None
    end = now - delay + timedelta(microseconds=1) if time else None
    rows = data.read(version, columns=wanted, start=start, end=end)
    if rows.get_column(label).null_count() == rows.height:
        return pl.DataFrame(schema=_SCHEMA)
    labelled = (pl.col(time) + delay).cast(pl.Datetime("us", "UTC")) if time else pl.lit(now)
    known = rows.lazy().filter(pl.col(label).is_not_null())
    found = known.select(key=key_text(rows.schema, inputs.key), label=pl.col(label), labelled=labelled)
    return found.filter(pl.col("key") != "").unique(subset="key", keep="last", maintain_order=True).collect()


def joined(predictions: pl.DataFrame, known: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """The predictions whose label is known, with `label` and `labelled`; feedback by id goes before the dataset."""
    if given.height == 0:
        return predictions.join(known, on="key", how="inner", maintain_order="left")
    by_key = predictions.join(known, on="key", how="left", maintain_order="left")
    both = by_key.join(given, on="id", how="left", suffix="_given", maintain_order="left")
    common = both.get_column("label_given").dtype
    return (
        both.with_columns(
            label=pl.coalesce("label_given", pl.col("label").cast(common, strict=False)),
            labelled=pl.coalesce("labelled_given", "labelled"),
        )
        .drop("label_given", "labelled_given")
        .filter(pl.col("label").is_not_null())
    )
