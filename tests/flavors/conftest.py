from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mulle.access import Signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys")


@pytest.fixture(scope="session")
def flights() -> tuple[pl.DataFrame, np.ndarray]:
    """Rows as the example project has them: words, numbers and holes; and a label."""
    rng = np.random.default_rng(0)
    n = 1200
    rows = pl.DataFrame({
        "carrier": rng.choice(["AA", "B6", "UA"], n),
        "dest": rng.choice([f"D{place:02d}" for place in range(30)], n),
        "hour": rng.integers(0, 24, n),
        "wind": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
    }).with_columns(pl.col("wind").fill_nan(None))  # fmt: skip
    odds = rows["hour"].to_numpy() / 12 - 1 + (rows["carrier"] == "AA").to_numpy()
    return rows, odds + rng.normal(size=n) > 0.5
