"""Will this flight arrive more than 15 minutes late? Asked two hours before its scheduled departure.

The rows are all flights that left New York in 2013, with the hourly weather at their airport. A flight's outcome is
known a day after its hour; whatever is computed from outcomes waits that long too.
"""

from __future__ import annotations

from datetime import datetime

import lightgbm
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from table import between
from table import flights as all_flights
from table import weather as all_weather

import mulle
from mulle import (
    Table,
    better_than_champion,
    canary,
    drift,
    drifted,
    full,
    latency_p99,
    new_data,
    no_slice_worse,
    outliers,
    quality,
    quality_drop,
    schedule,
    shadow,
    staleness,
)

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    *["weekday", "sched_dep", "sched_arr", "distance"],
    *["wind_speed", "visib", "precip", "humid", "precip_3h", "wind_speed_3h", "visib_3h", "pressure"],
    *["late_share_1d", "dep_delay_1d", "late_share_7d"],
]


class FlightSchema(mulle.Schema):
    """What a row of flights must look like; outcomes are known only when the label is."""

    flight_id: str = mulle.column(unique=True)
    time_hour: datetime
    origin: str = mulle.column(values=["EWR", "JFK", "LGA"])
    carrier: str
    dest: str
    weekday: int = mulle.column(minimum=1, maximum=7)
    sched_dep: int = mulle.column(minimum=0, maximum=1439)
    sched_arr: int = mulle.column(minimum=0, maximum=1439)
    distance: float = mulle.column(minimum=0)
    dep_delay: float | None = mulle.outcome()
    arr_delay: float | None = mulle.outcome()
    late: bool | None = mulle.outcome()


@mulle.source(every="1d", start="2013-01-01")
def flights_by_day(start: datetime, end: datetime) -> Table:
    """The flights scheduled in one day."""
    return between(all_flights(), start, end)


@mulle.source(every="1d", start="2013-01-01")
def weather_by_hour(start: datetime, end: datetime) -> Table:
    """The readings of one day, an hour each."""
    return between(all_weather(), start, end)


flights = mulle.dataset(
    "flights",
    source=flights_by_day,
    key=["flight_id"],
    event_time="time_hour",
    asked="-2h",
    label="late",
    label_delay="1d",
    expect=FlightSchema,
)
weather = mulle.dataset("weather", source=weather_by_hour, event_time="time_hour")


@mulle.feature_view(entity=["origin"], source=weather, ttl="3h", lookback="3h")
def origin_weather(weather: Table) -> Table:
    """The reading at the airport and the means of its last three hours."""
    recent = [
        pl.col(name).rolling_mean_by("time_hour", window_size="3h").over("origin").round(2).alias(f"{name}_3h")
        for name in ["precip", "wind_speed", "visib"]
    ]
    now = ["wind_speed", "visib", "precip", "humid", "pressure"]
    return weather.select("origin", "time_hour", *now, *recent)


@mulle.feature_view(entity=["origin"], source=flights, ttl="1d", available_after="1d", lookback="7d")
def origin_recent_delay(flights: Table) -> Table:
    """How late the airport ran, over a day and a week, from outcomes already known: no leak."""
    hourly = (
        flights.filter(pl.col("late").is_not_null())
        .group_by("origin", "time_hour")
        .agg(flown=pl.len(), late=pl.col("late").sum(), delay=pl.col("dep_delay").sum())
        .sort("origin", "time_hour")
    )

    def over(name: str, window: str) -> pl.Expr:
        total = pl.col(name).rolling_sum_by("time_hour", window_size=window).over("origin")
        flown = pl.col("flown").rolling_sum_by("time_hour", window_size=window).over("origin")
        return (total / flown).round(3)

    return hourly.select(
        "origin",
        "time_hour",
        late_share_1d=over("late", "1d"),
        dep_delay_1d=over("delay", "1d"),
        late_share_7d=over("late", "7d"),
    )


@mulle.step
def split(rows: Table, holdout: str) -> tuple[Table, Table]:
    """All but the newest `holdout` to train on, the newest to judge by."""
    cut = rows["time_hour"].max() - mulle.duration(holdout)  # type: ignore[operator]
    return rows.filter(pl.col("time_hour") < cut), rows.filter(pl.col("time_hour") >= cut)


@mulle.step(cpus=1, memory="2GiB", timeout="10m", retries=1)
def train(rows: Table, *, learning_rate: float = 0.1, seed: int = 0) -> mulle.Model:
    """Gradient-boosted trees over the request and the features."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
    trees = lightgbm.LGBMClassifier(
        n_estimators=100,
        learning_rate=learning_rate,
        num_leaves=31,
        min_child_samples=100,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    features = rows.select(CATEGORIES + NUMBERS)
    model = Pipeline([("columns", columns), ("trees", trees)]).fit(features, rows["late"].to_numpy())
    return mulle.Model(model, example=features.head(100))


@mulle.step
def evaluate(model: mulle.Model, holdout: Table) -> mulle.Report:
    """The model on rows it has not seen, whole and by carrier."""
    return mulle.evaluate(model, holdout, label="late", slices=["carrier"])


@mulle.pipeline
def delay(window: str = "90d", learning_rate: float = 0.1) -> None:
    rows = mulle.training_set(flights, [origin_weather, origin_recent_delay], window=window)
    train_rows, holdout = split(rows, "14d")
    model = train(train_rows, learning_rate=learning_rate)
    mulle.register("delay", model, evaluate(model, holdout))


mulle.deployment(
    "delay",
    model="delay",
    gate=[better_than_champion("roc_auc"), no_slice_worse("carrier", 0.03), latency_p99("5ms")],
    rollout=[shadow("6h"), canary(10, "6h"), full()],
)
mulle.monitor("delay", [drift(), quality("roc_auc", min_labels=2000), outliers(), staleness("45d")])
mulle.trigger(
    delay,
    on=[
        schedule("0 4 1 * *"),
        new_data(flights, rows=60_000),
        quality_drop("delay", "roc_auc", 0.02),
        drifted("delay"),
    ],
    cooldown="3d",
)
