"""A small world of flights by the hour, whose truth is easy to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from mulle.data import dataset

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

flights = dataset("flights", key=["id"], event_time="at", asked="-2h", label="late", label_delay="1d")


def table(days: int) -> pl.DataFrame:
    """Two airports, a flight an hour each; `late` is noise that nothing before the flight tells."""
    count = days * 24
    hours = [START + number * HOUR for number in range(count)]
    one = pl.DataFrame({"at": hours, "number": range(count)})
    both = pl.concat([one.with_columns(origin=pl.lit(name)) for name in ("EWR", "JFK")]).sort("at", maintain_order=True)
    noise = (pl.col("number") * 7919 + pl.col("origin").str.len_bytes() + pl.int_range(pl.len()) * 104_729) % 97
    return both.select(
        "at",
        "origin",
        id=pl.format("{}-{}", "origin", "number"),
        distance=pl.col("number").cast(pl.Float64),
        late=pl.when(pl.col("number") % 10 == 9).then(None).otherwise(noise < 40),
    )
