"""Columns cut into a few bins by reference rows: numbers at quantiles, text by its frequent values, nulls apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

Codes = npt.NDArray[np.int64]

_QUANTILES = 10
_CATEGORIES = 20
_RAREST = 0.005
_MANY_ROWS = 4096


class Bins(msgspec.Struct, frozen=True):
    """How one column is cut. Numbers: by inner `edges`. Text: by `values`, then others. The last bin holds nulls."""

    name: str
    numeric: bool
    edges: list[float] = []
    values: list[str] = []

    @property
    def size(self) -> int:
        """The number of bins."""
        return (len(self.edges) + 1 if self.numeric else len(self.values) + 1) + 1

    def codes(self, column: pl.Series) -> Codes:
        """The bin of each row."""
        if self.numeric:
            return self._numeric_codes(column)
        texts = column if column.dtype == pl.String else column.cast(pl.String)
        if len(texts) > _MANY_ROWS:
            return self._many_codes(texts)
        places: dict[str | None, int] = {value: place for place, value in enumerate(self.values)}
        places[None] = self.size - 1
        other = len(self.values)
        return np.array([places.get(text, other) for text in texts.to_list()], dtype=np.int64)

    def _many_codes(self, texts: pl.Series) -> Codes:
        places = texts.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64)
        codes = places.fill_null(len(self.values)).to_numpy().copy()
        if texts.null_count():
            codes[texts.is_null().to_numpy()] = self.size - 1
        return codes

    def _numeric_codes(self, column: pl.Series) -> Codes:
        values = column.cast(pl.Float64, strict=False).to_numpy()
        if len(values) > _MANY_ROWS:  # a search costs a mispredicted branch or two a row, comparisons cost none
            reached = np.zeros(len(values), dtype=np.uint8)
            for edge in self.edges:
                reached += values >= edge
            codes = reached.astype(np.int64)
        else:
            codes = np.searchsorted(np.asarray(self.edges), values, side="right").astype(np.int64)
        unknown = np.isnan(values)
        if unknown.any():
            codes[unknown] = self.size - 1
        return codes


def fit(column: pl.Series) -> Bins:
    """Cut a column by what its reference rows hold: at most ten quantile bins, or the twenty most frequent values.

    A number with few distinct values is cut between them, so that each value has its bin.
    """
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).to_numpy()
        values = np.sort(values[np.isfinite(values)])  # once, for both
        distinct = np.unique(values)
        if len(distinct) <= _QUANTILES:
            edges = ((distinct[1:] + distinct[:-1]) / 2).tolist()
        else:
            edges = np.unique(np.quantile(values, np.arange(1, _QUANTILES) / _QUANTILES)).tolist()
        return Bins(column.name, True, edges=[float(edge) for edge in edges])
    counted = (
        column.drop_nulls()
        .cast(pl.String)
        .value_counts(name="rows")
        .sort(["rows", column.name], descending=[True, False])
    )
    frequent = counted.filter(pl.col("rows") >= _RAREST * max(len(column), 1)).head(_CATEGORIES)
    return Bins(column.name, False, values=frequent.get_column(column.name).to_list())


def matrix(bins: Sequence[Bins], rows: pl.DataFrame) -> Codes:
    """(rows, features) bin numbers; a column that is missing counts as null."""
    found = np.empty((rows.height, len(bins)), dtype=np.int64)
    for place, one in enumerate(bins):
        found[:, place] = one.codes(rows.get_column(one.name)) if one.name in rows.columns else one.size - 1
    return found


def count(codes: Codes, groups: Codes, number: int, width: int) -> Codes:
    """(groups, features, bins) how many rows of each group fall into each bin.

    Args:
        codes: (rows, features) bins.
        groups: (rows,) from 0 to `number` - 1.
        number: how many groups there are.
        width: the bins of the widest feature.
    """
    features = codes.shape[1]
    place = (groups[:, None] * features + np.arange(features)) * width + codes
    return (
        np.bincount(place.reshape(-1), minlength=number * features * width)
        .reshape(number, features, width)
        .astype(np.int64)
    )


def real_bins(bins: Sequence[Bins]) -> npt.NDArray[np.bool_]:
    """(features, widest) which cells are bins and which are padding."""
    width = max((one.size for one in bins), default=0)
    return np.arange(width) < np.array([one.size for one in bins])[:, None]
