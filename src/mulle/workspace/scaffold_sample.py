"""A small table for a project that has no data yet: bicycles lent a day at eight stations over two years."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

_DAYS = 730
_STATIONS = {
    "riverside": 160.0,
    "university": 110.0,
    "station": 60.0,
    "market": 90.0,
    "harbour": 45.0,
    "museum": 70.0,
    "park": 130.0,
    "stadium": 35.0,
}


def bicycles(seed: int = 0) -> pl.DataFrame:
    """One row a day and station: the weather, the weekday, and how many bicycles were lent. The same for one seed."""
    random = np.random.default_rng(seed)
    day = np.arange(_DAYS)
    temperature = 13 + 11 * np.sin((day - 110) / 365 * 2 * np.pi) + random.normal(0, 3, _DAYS)
    rain = np.where(random.random(_DAYS) < 0.3, random.exponential(6.0, _DAYS), 0.0)  # noqa: PLR2004
    first = date(2024, 1, 1)
    dates = [first + timedelta(days=int(offset)) for offset in day]
    weekday = np.array([each.isoweekday() for each in dates])
    tables = []
    for name, level in _STATIONS.items():
        working = np.where(weekday > 5, 0.7 if name == "university" else 1.3, 1.0)  # noqa: PLR2004
        mean = level * working * np.clip(0.4 + temperature / 25, 0.1, None) * np.exp(-rain / 12) * (1 + day / 2000)
        columns = {"day": dates, "station": [name] * _DAYS, "weekday": weekday, "temperature": temperature.round(1)}
        tables.append(pl.DataFrame(columns | {"rain": rain.round(1), "lent": random.poisson(mean)}))
    return pl.concat(tables).sort("day", "station")
