"""The truth of predictions: rows of the dataset whose outcome is known by now, met by key, and feedback by id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

import polars as pl

from mulle.predictions.keys import key_text
from mulle.registry import Inputs

MARGIN = timedelta(days=2)
"""How much older than its question an event may be and still be found as its truth."""


class Rows(Protocol):
    """Where labelled rows are read from. `mulle.data.DataService` is one."""

    def read(
        self, ref: str, columns: Any = None, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """The rows of a dataset's version with event times in [start, end)."""


def known_labels(data: Rows, inputs: Inputs, now: datetime, since: datetime | None) -> pl.DataFrame:
    """Labels that are known at `now`: key, label, labelled (when it became known). Empty when nothing says where."""
    empty = pl.DataFrame(schema={"key": pl.String, "label": pl.Float64, "labelled": pl.Datetime("us", "UTC")})
    if not inputs.dataset or not inputs.key or inputs.label is None:
        return empty
    delay = timedelta(seconds=inputs.label_delay)
    time = inputs.event_time
    wanted = list(dict.fromkeys([*inputs.key, inputs.label, *([time] if time else [])]))
    start = since - MARGIN if since is not None and time else None
    end = now - delay + timedelta(microseconds=1) if time else None
    rows = data.read(f"{inputs.dataset}@HEAD", columns=wanted, start=start, end=end)
    if rows.get_column(inputs.label).null_count() == rows.height:
        return empty
    labelled = (pl.col(time) + delay).cast(pl.Datetime("us", "UTC")) if time else pl.lit(now)
    known = rows.lazy().filter(pl.col(inputs.label).is_not_null())
    found = known.select(key=key_text(rows.schema, inputs.key), label=pl.col(inputs.label), labelled=labelled)
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
