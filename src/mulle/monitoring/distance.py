"""How far a row lies from everything the champion was taught: Mahalanobis distance over its numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

COLUMN = "__outlier"
_RARE = 0.995
_RIDGE = 1e-6


class Distance(msgspec.Struct, frozen=True):
    """Mean, whitening matrix and the distance that half a percent of the reference rows exceed."""

    names: list[str]
    mean: list[float]
    whiten: list[list[float]]
    limit: float

    def flags(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One column: 1 for a row farther away than the limit."""
        far = _squares(_values(rows, self.names, np.asarray(self.mean)), self) > self.limit
        return pl.DataFrame({COLUMN: far.astype(np.int64)})


def fit(rows: pl.DataFrame, features: Sequence[str]) -> Distance | None:
    """Learn the distance from reference rows; None where they have no numbers."""
    names = [name for name in features if name in rows.columns and rows.schema[name].is_numeric()]
    if not names or rows.height < 2:  # noqa: PLR2004
        return None
    raw = rows.select(pl.col(names).cast(pl.Float64)).to_numpy()
    finite = np.where(np.isfinite(raw), raw, np.nan)
    counts = np.maximum((~np.isnan(finite)).sum(axis=0), 1)
    mean = np.nansum(finite, axis=0) / counts
    values = np.where(np.isnan(finite), mean, finite) - mean
    spread = np.maximum(values.std(axis=0), 1e-12)
    correlation = (values / spread).T @ (values / spread) / len(values) + _RIDGE * np.eye(len(names))
    level, direction = np.linalg.eigh(correlation)
    whiten = (direction / np.sqrt(np.maximum(level, _RIDGE))) / spread[:, None]
    free = Distance(names, mean.tolist(), whiten.tolist(), 0.0)
    return msgspec.structs.replace(free, limit=float(np.quantile(_squares(values + mean, free), _RARE)))


def _values(rows: pl.DataFrame, names: Sequence[str], mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raw = np.full((rows.height, len(names)), np.nan)
    for place, name in enumerate(names):
        if name in rows.columns:
            raw[:, place] = rows.get_column(name).cast(pl.Float64, strict=False).to_numpy()
    return np.where(np.isfinite(raw), raw, mean)


def _squares(values: npt.NDArray[np.float64], distance: Distance) -> npt.NDArray[np.float64]:
    placed = (values - np.asarray(distance.mean)) @ np.asarray(distance.whiten)
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", placed, placed)
    return found
