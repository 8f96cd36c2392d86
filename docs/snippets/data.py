"""Two datasets, a declared schema, a feature view and a training set, without a workspace's folder."""

from datetime import datetime

import polars as pl

import mulle

LONG = 30.0


class Ride(mulle.Schema):
    ride: str = mulle.column(unique=True)
    at: datetime
    station: str = mulle.column(values=["harbour", "museum"])
    minutes: float | None = mulle.outcome(minimum=0)
    long: bool | None = mulle.outcome()


@mulle.source(every="1d", start="2024-05-01")
def rides_by_day(start: datetime, end: datetime) -> mulle.Table:
    hours = pl.datetime_range(start, end, "1h", closed="left", eager=True)
    rows = pl.DataFrame({"at": hours}).with_columns(
        station=pl.when(pl.col("at").dt.hour() % 2 == 0).then(pl.lit("harbour")).otherwise(pl.lit("museum")),
        minutes=(pl.col("at").dt.hour() * 7 % 60).cast(pl.Float64),
    )
    name = pl.format("{}-{}", "station", pl.col("at").dt.to_string())
    return rows.with_columns(ride=name, long=pl.col("minutes") > LONG)


rides = mulle.dataset(
    "rides",
    source=rides_by_day,
    key=["ride"],
    event_time="at",
    asked="-1h",
    label="long",
    label_delay="1d",
    expect=Ride,
)


@mulle.feature_view(entity=["station"], source=rides, ttl="1d", available_after="1d", lookback="1d")
def recent_rides(rides: mulle.Table) -> mulle.Table:
    mean = pl.col("minutes").rolling_mean_by("at", window_size="1d").over("station")
    return rides.select("station", "at", minutes_1d=mean)
