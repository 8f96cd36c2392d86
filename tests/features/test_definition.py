from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from mulle.data import dataset
from mulle.definitions import collecting
from mulle.errors import FeatureError
from mulle.features import feature_view

flights = dataset("flights", event_time="at", label="late", label_delay="1d")
weather = dataset("weather", event_time="at")


def view(source: Any = weather, **given: Any) -> Any:
    return feature_view(**{"entity": ["origin"], "source": source, "ttl": "3h", **given})(lambda table: table)


def test_a_view_stays_a_function() -> None:
    @feature_view(entity=["origin"], source=weather, ttl="3h")
    def doubled(table: pl.DataFrame) -> pl.DataFrame:
        """Twice the wind."""
        return table.with_columns(pl.col("wind") * 2)

    assert doubled(pl.DataFrame({"wind": [2]}))["wind"].to_list() == [4]
    assert (doubled.name, doubled.__doc__) == ("doubled", "Twice the wind.")


def test_a_view_is_collected_by_its_name() -> None:
    with collecting() as definitions:
        made = view()
    assert definitions.get("feature_view", made.name) is made


def test_without_labels_rows_are_known_at_once() -> None:
    assert view().delay == timedelta(0)


def test_with_labels_rows_are_known_with_them() -> None:
    assert view(flights).delay == timedelta(days=1)
    assert view(flights).withheld() == []


def test_a_view_that_is_available_before_the_label_does_not_get_it() -> None:
    assert view(flights, available_after="23h").withheld() == ["late"]


@pytest.mark.parametrize("entity", ["origin", []])
def test_an_entity_is_a_list(entity: Any) -> None:
    with pytest.raises(FeatureError, match="entity is a list of columns"):
        view(entity=entity)


@pytest.mark.parametrize("times", [{"ttl": "-1h"}, {"available_after": "-1h"}, {"lookback": "-1h"}], ids=str)
def test_times_are_not_negative(times: Any) -> None:
    with pytest.raises(FeatureError, match="negative time"):
        view(**times)


def test_a_source_without_event_time_is_an_error() -> None:
    with pytest.raises(FeatureError, match="has no event_time"):
        view(dataset("notes"))
