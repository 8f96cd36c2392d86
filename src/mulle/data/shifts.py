"""How the values of columns moved from one version to another, from their stored profiles: no row is read."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from mulle.data import profiles
from mulle.data.model import ColumnShift, Distribution
from mulle.stats.profile import shown_mean, shown_std

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.stats.profile import ColumnProfile
    from mulle.store import ObjectStore

DECILES = tuple(each / 10 for each in range(1, 10))
FREQUENT = 20
SMALLEST_SHARE = 1e-4
"""What a share of nothing counts as: an index of population stability has no logarithm of zero."""


def distribution(catalog: Catalog, store: ObjectStore, before: Version, after: Version) -> Distribution:
    """The shift of every column that both versions have, the most moved first; none without both profiles."""
    found = [profiles.find(catalog, store, version) for version in (before, after)]
    missing = [version.ref for version, one in zip((before, after), found, strict=True) if one is None]
    old, new = found
    if old is None or new is None:
        return Distribution(missing=missing)
    pairs = [(column, new.column(column.name)) for column in old.columns]
    moved = [shift(one, other) for one, other in pairs if other is not None and other.kind == one.kind]
    return Distribution(columns=sorted(moved, key=lambda each: -(each.psi or 0.0)))


def shift(before: ColumnProfile, after: ColumnProfile) -> ColumnShift:
    """How one column's values moved."""
    both = (before, after)
    finite = bool(before.finite and after.finite)
    return ColumnShift(
        name=before.name,
        kind=before.kind,
        rows=[each.count for each in both],
        nulls=[each.nulls / each.count if each.count else 0.0 for each in both],
        distinct=[round(each.distinct()) for each in both],
        mean=[shown_mean(each) for each in both],
        std=[shown_std(each) for each in both],
        psi=_psi(before, after),
        mean_shift=(after.mean - before.mean) / before.std if finite and before.std else None,
    )


def _psi(before: ColumnProfile, after: ColumnProfile) -> float | None:
    """The population stability index: nulls are a bin of their own."""
    if before.kll and after.kll:
        edges = sorted(set(before.quantiles(DECILES)))
        shares = [_below(each, edges) for each in (before, after)]
    elif before.frequent and after.frequent:
        values = [value for value, _ in before.top(FREQUENT)]
        shares = [_of(each, values) for each in (before, after)]
    else:
        return None
    old, new = (_with_nulls(each, found) for each, found in zip((before, after), shares, strict=True))
    return math.fsum((b - a) * math.log(b / a) for a, b in zip(old, new, strict=True))


def _below(column: ColumnProfile, edges: Sequence[float]) -> list[float]:
    cumulated = [0.0, *column.shares_below(edges), 1.0]
    return [high - low for low, high in itertools.pairwise(cumulated)]


def _of(column: ColumnProfile, values: Sequence[str]) -> list[float]:
    there = max(column.count - column.nulls, 1)
    counts = dict(column.top(1 << 10))
    shares = [min(counts.get(value, 0) / there, 1.0) for value in values]
    return [*shares, max(1.0 - math.fsum(shares), 0.0)]


def _with_nulls(column: ColumnProfile, shares: Sequence[float]) -> list[float]:
    nulls = column.nulls / column.count if column.count else 0.0
    return [max(share, SMALLEST_SHARE) for share in (*(each * (1 - nulls) for each in shares), nulls)]
