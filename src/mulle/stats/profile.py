"""The profile of a table: counts, moments and sketches per column in one pass; those of parts merge into the whole's.

Quantiles come from a KLL sketch (rank error about 1.3 %), distinct counts from HyperLogLog (about 1.6 %), frequent
items from a Misra-Gries style sketch, all of Apache DataSketches. KLL draws at random, so the bytes of two profiles
of the same rows differ; nothing may depend on their digest.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import datasketches as sketches
import msgspec
import numpy as np
import polars as pl

from mulle.stats.checks import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

KLL_K = 200
HLL_LOG_K = 11
FREQUENT_LOG_SIZE = 10
BINS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_TIMES = {"datetime", "date", "duration"}
_NUMBERS = {"int", "float"} | _TIMES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column. `count` are all rows; moments are of finite values; times count in microseconds (dates in days)."""

    name: str
    kind: str
    count: int
    nulls: int
    nans: int = 0
    minimum: float | str | None = None
    maximum: float | str | None = None
    finite: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0
    kll: bytes = b""
    hll: bytes = b""
    frequent: bytes = b""

    @property
    def std(self) -> float:
        """The sample standard deviation; 0 below two values."""
        return math.sqrt(self.m2 / (self.finite - 1)) if self.finite > 1 else 0.0

    def distinct(self) -> float:
        """About how many different values there are, nulls aside."""
        return float(sketches.hll_sketch.deserialize(self.hll).get_estimate()) if self.hll else 0.0

    def quantiles(self, ranks: Sequence[float]) -> list[float]:
        """The values at those ranks; empty where there are no numbers."""
        sketch = _kll(self.kll)
        return [] if sketch is None else [float(value) for value in sketch.get_quantiles(list(ranks))]

    def histogram(self, bins: int = BINS) -> tuple[list[float], list[float]]:
        """Edges (bins + 1) and shares (bins) between the smallest and the largest value.

        Empty where there are no numbers.
        """
        sketch = _kll(self.kll)
        if sketch is None or not sketch.get_max_value() > sketch.get_min_value():
            return [], []
        edges = np.linspace(sketch.get_min_value(), sketch.get_max_value(), bins + 1)
        below = np.array(sketch.get_cdf(edges[1:-1].tolist()))
        return edges.tolist(), np.diff(np.concatenate([[0.0], below[:-1], [1.0]])).tolist()

    def shares_below(self, edges: Sequence[float]) -> list[float]:
        """About which share of the numbers is smaller than each edge; the edges grow."""
        sketch = _kll(self.kll)
        return [] if sketch is None or not edges else [float(share) for share in sketch.get_cdf(list(edges))[:-1]]

    def top(self, limit: int = 10) -> list[tuple[str, int]]:
        """The most frequent values as text, with about how many rows have them."""
        if not self.frequent:
            return []
        sketch = sketches.frequent_strings_sketch.deserialize(self.frequent)
        found = sketch.get_frequent_items(sketches.frequent_items_error_type.NO_FALSE_POSITIVES)
        ranked = sorted(((text, int(estimate)) for text, estimate, _, _ in found), key=lambda each: (-each[1], each[0]))
        return ranked[:limit]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The profile of a table: its rows and its columns in order."""

    rows: int
    columns: list[ColumnProfile]

    def column(self, name: str) -> ColumnProfile | None:
        """The profile of one column; None where there is none of that name."""
        return next((each for each in self.columns if each.name == name), None)


class ColumnSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A column's profile as numbers to read; instants are ISO 8601 text."""

    name: str
    kind: str
    count: int
    nulls: int
    distinct: int
    minimum: Any = None
    maximum: Any = None
    mean: Any = None
    std: float | None = None
    quantiles: dict[str, Any] = {}
    edges: list[float] = []
    shares: list[float] = []
    top: list[tuple[str, int]] = []


class ProfileSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A table's profile as numbers to read."""

    rows: int
    columns: list[ColumnSummary]


def profile(table: pl.DataFrame) -> Profile:
    """The profile of the rows."""
    return Profile(rows=table.height, columns=[_column(series) for series in table.get_columns()])


def _column(series: pl.Series) -> ColumnProfile:
    kind = kind_of(series.dtype)
    found: dict[str, Any] = {"name": series.name, "kind": kind, "count": len(series), "nulls": series.null_count()}
    values = series.drop_nulls()
    if kind in _NUMBERS:
        found |= _numbers(values)
    elif kind in {"str", "bool"}:
        found |= _categories(values.cast(pl.String))
    return ColumnProfile(**found)


def _numbers(values: pl.Series) -> dict[str, Any]:
    numbers = values.to_physical().cast(pl.Float64).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    found: dict[str, Any] = {"nans": len(numbers) - len(finite), "finite": len(finite)}
    if not len(finite):
        return found
    quantile = sketches.kll_doubles_sketch(KLL_K)
    quantile.update(np.ascontiguousarray(finite))
    distinct = sketches.hll_sketch(HLL_LOG_K, sketches.tgt_hll_type.HLL_8)
    for value in np.unique(finite).tolist():
        distinct.update(value)
    mean = float(finite.mean())
    deviation = finite - mean
    squared = deviation * deviation
    return found | {
        "minimum": float(finite.min()),
        "maximum": float(finite.max()),
        "mean": mean,
        "m2": float(squared.sum()),
        "m3": float((squared * deviation).sum()),
        "m4": float((squared * squared).sum()),
        "kll": quantile.serialize(),
        "hll": distinct.serialize_compact(),
    }


def _categories(values: pl.Series) -> dict[str, Any]:
    if not len(values):
        return {}
    distinct = sketches.hll_sketch(HLL_LOG_K, sketches.tgt_hll_type.HLL_8)
    frequent = sketches.frequent_strings_sketch(FREQUENT_LOG_SIZE)
    counted = values.rename("value").value_counts(name="rows").sort("value")
    for text, rows in counted.iter_rows():
        distinct.update(text)
        frequent.update(text, rows)
    return {
        "minimum": counted["value"][0],
        "maximum": counted["value"][-1],
        "hll": distinct.serialize_compact(),
        "frequent": frequent.serialize(),
    }


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of the rows of both. A column that only one has counts as null in the other."""
    other = {column.name: column for column in b.columns}
    mine = {column.name for column in a.columns}
    merged = [_merged(column, other.get(column.name, _absent(column, b.rows))) for column in a.columns]
    merged += [_merged(_absent(column, a.rows), column) for column in b.columns if column.name not in mine]
    return Profile(rows=a.rows + b.rows, columns=merged)


def _absent(column: ColumnProfile, rows: int) -> ColumnProfile:
    return ColumnProfile(name=column.name, kind=column.kind, count=rows, nulls=rows)


def _merged(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    mean, m2, m3, m4 = _moments(a, b)
    return ColumnProfile(
        name=a.name,
        kind=a.kind if a.kind != "null" else b.kind,
        count=a.count + b.count,
        nulls=a.nulls + b.nulls,
        nans=a.nans + b.nans,
        minimum=_least(a.minimum, b.minimum),
        maximum=_greatest(a.maximum, b.maximum),
        finite=a.finite + b.finite,
        mean=mean,
        m2=m2,
        m3=m3,
        m4=m4,
        kll=_both(a.kll, b.kll, _merged_kll),
        hll=_both(a.hll, b.hll, _merged_hll),
        frequent=_both(a.frequent, b.frequent, _merged_frequent),
    )


def _moments(a: ColumnProfile, b: ColumnProfile) -> tuple[float, float, float, float]:
    """Mean and central sums of both (Pébay 2008)."""
    n = a.finite + b.finite
    if not a.finite or not b.finite:
        one = a if a.finite else b
        return one.mean, one.m2, one.m3, one.m4
    na, nb = a.finite, b.finite
    d = b.mean - a.mean
    dn = d / n
    m2 = a.m2 + b.m2 + d * dn * na * nb
    m3 = a.m3 + b.m3 + d * dn * dn * na * nb * (na - nb) + 3 * dn * (na * b.m2 - nb * a.m2)
    m4 = (
        a.m4
        + b.m4
        + d * dn**3 * na * nb * (na * na - na * nb + nb * nb)
        + 6 * dn * dn * (na * na * b.m2 + nb * nb * a.m2)
        + 4 * dn * (na * b.m3 - nb * a.m3)
    )
    return a.mean + dn * nb, m2, m3, m4


def _least(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else min(a, b)


def _greatest(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else max(a, b)


def _both(a: bytes, b: bytes, join: Any) -> bytes:
    merged: bytes = join(a, b) if a and b else a or b
    return merged


def _kll(data: bytes) -> Any:
    return sketches.kll_doubles_sketch.deserialize(data) if data else None


def _merged_kll(a: bytes, b: bytes) -> bytes:
    sketch = _kll(a)
    sketch.merge(_kll(b))
    return bytes(sketch.serialize())


def _merged_hll(a: bytes, b: bytes) -> bytes:
    union = sketches.hll_union(HLL_LOG_K)
    union.update(sketches.hll_sketch.deserialize(a))
    union.update(sketches.hll_sketch.deserialize(b))
    return bytes(union.get_result(sketches.tgt_hll_type.HLL_8).serialize_compact())


def _merged_frequent(a: bytes, b: bytes) -> bytes:
    sketch = sketches.frequent_strings_sketch.deserialize(a)
    sketch.merge(sketches.frequent_strings_sketch.deserialize(b))
    return bytes(sketch.serialize())


def encode(made: Profile) -> bytes:
    """The profile as msgpack."""
    return msgspec.msgpack.encode(made)


def decode(data: bytes) -> Profile:
    """The profile that `encode` wrote."""
    return msgspec.msgpack.decode(data, type=Profile)


def summarise(made: Profile) -> ProfileSummary:
    """The profile as numbers to read."""
    return ProfileSummary(rows=made.rows, columns=[_summary(column) for column in made.columns])


def _summary(column: ColumnProfile) -> ColumnSummary:
    quantiles = column.quantiles(QUANTILES)
    edges, shares = column.histogram()
    return ColumnSummary(
        name=column.name,
        kind=column.kind,
        count=column.count,
        nulls=column.nulls,
        distinct=round(column.distinct()),
        minimum=_shown(column.kind, column.minimum),
        maximum=_shown(column.kind, column.maximum),
        mean=shown_mean(column),
        std=shown_std(column),
        quantiles={f"p{rank * 100:g}": _shown(column.kind, v) for rank, v in zip(QUANTILES, quantiles, strict=False)},
        edges=edges,
        shares=shares,
        top=column.top(),
    )


def shown_mean(column: ColumnProfile) -> Any:
    """The mean to read, an instant as ISO 8601 text; None without numbers."""
    return _shown(column.kind, column.mean) if column.finite else None


def shown_std(column: ColumnProfile) -> float | None:
    """The standard deviation; None without numbers, and of times."""
    return column.std if column.finite and column.kind not in _TIMES else None


def _shown(kind: str, value: float | str | None) -> Any:
    if value is None or isinstance(value, str):
        return value
    if kind == "datetime":
        return (_EPOCH + timedelta(microseconds=value)).isoformat()
    if kind == "date":
        return (_EPOCH + timedelta(days=value)).date().isoformat()
    return value
