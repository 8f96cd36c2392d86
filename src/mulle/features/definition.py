"""What a project says about its feature views: a function over a dataset, by entity, with its honest times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mulle.data.definition import Dataset
from mulle.definitions import define
from mulle.errors import FeatureError
from mulle.types import duration

Compute = Callable[[Any], Any]
"""The rows of the source, in order, to rows with the entity columns, the event time and the features."""


@dataclass(frozen=True)
class FeatureView:
    """A feature view. It stays a plain function: `view(table)` calls it.

    A row of its output with event time t may be used from t + `delay` on, for `ttl`. It may depend on rows of the
    source up to t and, where `lookback` is given, on none before t - lookback.
    """

    name: str
    function: Compute
    entity: tuple[str, ...]
    source: Dataset
    ttl: timedelta
    delay: timedelta
    lookback: timedelta | None

    def __post_init__(self) -> None:
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, name):
                object.__setattr__(self, name, getattr(self.function, name))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, table: Any) -> Any:
        return self.function(table)

    @property
    def event_time(self) -> str:
        """The column that places a row in time, in the source and in the output."""
        assert self.source.event_time is not None
        return self.source.event_time

    def withheld(self) -> list[str]:
        """The source's columns that the function is not given: their values come later than the view may be used."""
        return self.source.outcomes() if self.delay < self.source.label_delay else []


def feature_view(
    *,
    entity: Sequence[str],
    source: Dataset,
    ttl: str | timedelta,
    available_after: str | timedelta | None = None,
    lookback: str | timedelta | None = None,
) -> Callable[[Compute], FeatureView]:
    """Make a function of a dataset's rows a feature view.

    Args:
        entity: the columns that say whose features a row has; they are in the source and in the rows that ask.
        source: the dataset that the function is given.
        ttl: how long a row may be used after it became available.
        available_after: how long after its event time a row is known. By default the source's label delay where it
            has a label, otherwise at once. Below the label delay the function is not given the outcome columns.
        lookback: how far back of a row the function looks. Without it the function is given all history, which is
            always right and slower; `mulle features check` finds a lookback that is too short.
    """
    if isinstance(entity, str) or not entity:
        raise FeatureError(
            f"a feature view has the entity {entity!r}",
            cause="entity is a list of columns",
            cure='write entity=["origin"]',
        )
    if source.event_time is None:
        raise FeatureError(
            f"dataset '{source.name}' has no event_time",
            cause="features are joined in time",
            cure='name the column: mulle.dataset(…, event_time="at")',
        )
    known = source.label_delay if source.outcomes() else timedelta(0)
    delay = known if available_after is None else duration(available_after)
    length, back = duration(ttl), None if lookback is None else duration(lookback)
    if length < timedelta(0) or delay < timedelta(0) or (back is not None and back < timedelta(0)):
        raise FeatureError(
            "a feature view has a negative time",
            cause="ttl, available_after and lookback are lengths of time",
            cure='give them as "3h" or "1d"',
        )

    def make(function: Compute) -> FeatureView:
        name = getattr(function, "__name__", "view")
        view = FeatureView(name, function, tuple(entity), source, length, delay, back)
        define("feature_view", name, view)
        return view

    return make
