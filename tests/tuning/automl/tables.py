"""Small tables with something to learn in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)


def orders(rows: int = 1200, seed: int = 0) -> pl.DataFrame:
    """Will it be returned? With numbers, categories, times, holes, an identifier, and a column that gives it away."""
    random = np.random.default_rng(seed)
    basket, items = random.gamma(2, 20, rows), random.integers(1, 9, rows)
    country = random.choice(["KR", "US", "DE", "FR"], rows)
    odds = 0.04 * (basket - 40) + 0.3 * (items - 4) + np.where(country == "KR", 1.0, 0.0)
    returned = random.random(rows) < 1 / (1 + np.exp(-odds))
    return pl.DataFrame({
        "order": [f"o{number}" for number in range(rows)],
        "at": [START + timedelta(hours=number) for number in range(rows)],
        "basket": pl.Series(basket.round(2)).set(pl.Series(random.random(rows) < 0.05), None),
        "items": items,
        "country": country,
        "shop": random.integers(0, 40, rows),
        "empty": pl.Series([None] * rows, dtype=pl.Float64),
        "same": ["x"] * rows,
        "refund": returned * 3.0 + 1,
        "returned": returned,
    })  # fmt: skip
