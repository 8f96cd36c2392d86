from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import polars as pl
import pytest
from tests.features.worlds import DAY, HOUR, START

from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.data import DataService, dataset
from mulle.errors import FeatureError, UnknownNameError
from mulle.features import FeatureService, feature_view, join
from mulle.features.online import SqliteOnline
from mulle.testing.memory_store import MemoryStore
from mulle.verbs import verbs_of

weather = dataset("weather", event_time="at")


@feature_view(entity=["origin"], source=weather, ttl="3h", available_after="1h", lookback="3h")
def wind(rows: pl.DataFrame) -> pl.DataFrame:
    """The wind, an hour late.

    And more about it.
    """
    return rows.select("origin", "at", wind="wind", mean=pl.col("wind").rolling_mean_by("at", "3h").over("origin"))


@feature_view(entity=["origin"], source=weather, ttl="3h")
def next_wind(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("origin", "at", tomorrow=pl.col("wind").shift(-1).over("origin"))


@pytest.fixture
def features(catalog: Catalog, store: MemoryStore, data: DataService, tmp_path: Path) -> Iterator[FeatureService]:
    online = SqliteOnline(tmp_path / "online.db", durable=False)
    views = {view.name: view for view in (wind, next_wind)}
    yield FeatureService(catalog, store, data, online, views=lambda: views, roots=[Path(__file__).parent])
    online.close()


def commit(data: DataService, first: int, last: int) -> None:
    """Readings at both airports for the hours [first, last)."""
    rows = [
        {"at": START + hour * HOUR, "origin": origin, "wind": float(hour + offset)}
        for hour in range(first, last)
        for origin, offset in (("EWR", 0), ("JFK", 100))
    ]
    data.commit(weather, pl.DataFrame(rows), append=True, watermark=START + last * HOUR)


def known(features: FeatureService, now: Any, *origins: str) -> list[Any]:
    entities = tuple({"origin": origin} for origin in origins)
    return [found.features["wind"] for found in features.online(("wind",), entities, now)]


def test_materialised_features_are_read_back(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 6)
    features.materialize("wind", START + 6 * HOUR)
    assert known(features, START + 6 * HOUR, "EWR", "JFK", "LGA") == [5.0, 105.0, None]


def test_online_features_are_those_of_the_join(data: DataService, features: FeatureService, store: Any) -> None:
    commit(data, 0, 30)
    for hour in range(2, 30, 3):
        now = START + hour * HOUR
        features.materialize("wind", now)
        (online,) = features.online(("wind",), ({"origin": "JFK"},), now)
        rows = pl.DataFrame({"origin": ["JFK"]})
        offline = join(store, rows, [(wind, data.head("weather").digest)], pl.Series([now])).row(0, named=True)
        assert online.features == {name: offline[name] for name in ("wind", "mean")}


def test_a_second_materialisation_does_nothing(data: DataService, features: FeatureService, catalog: Catalog) -> None:
    commit(data, 0, 6)
    features.materialize("wind", START + 6 * HOUR)
    again = features.materialize("wind", START + 6 * HOUR)
    with catalog.read() as tx:
        events = list(ledger.events(tx, subject="feature_view:wind", limit=9))
    assert (again.rows, len(events)) == (0, 1)


def test_only_what_became_available_since_is_written(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 6)
    features.materialize("wind", START + 6 * HOUR)
    commit(data, 6, 7)
    made = features.materialize("wind", START + 7 * HOUR)
    assert (made.since, made.until, made.rows) == (START + 6 * HOUR, START + 7 * HOUR, 2)
    assert known(features, START + 7 * HOUR, "EWR") == [6.0]


def test_what_was_not_collected_yet_is_left_for_the_next_time(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 6)
    early = features.materialize("wind", START + DAY)
    assert early.until == START + 7 * HOUR, "the end of what was collected, and the delay"
    commit(data, 6, 24)
    features.materialize("wind", START + DAY)
    assert known(features, START + DAY, "EWR") == [23.0]


def test_features_expire(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 6)
    features.materialize("wind", START + 6 * HOUR)
    (found,) = features.online(("wind",), ({"origin": "EWR"},), START + 6 * HOUR + timedelta(hours=4))
    assert (found.features, found.missing) == ({"wind": None, "mean": None}, ["wind"])


def test_now_is_the_clock_s_by_default(data: DataService, features: FeatureService, clock: VirtualClock) -> None:
    commit(data, 0, 6)
    clock.set(START + 5 * HOUR)
    assert features.materialize("wind").until == START + 5 * HOUR
    assert [found.features["wind"] for found in features.online(("wind",), ({"origin": "EWR"},))] == [4.0]


def test_a_view_that_was_never_materialised_says_how(features: FeatureService) -> None:
    with pytest.raises(UnknownNameError, match="mulle features materialize wind"):
        features.online(("wind",), ({"origin": "EWR"},))


def test_an_entity_without_its_column_is_an_error(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 6)
    features.materialize("wind", START + 6 * HOUR)
    with pytest.raises(FeatureError, match="lacks 'origin'"):
        features.online(("wind",), ({"dest": "EWR"},))


def test_an_unknown_view_suggests_the_nearest(features: FeatureService) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'wind'"):
        features.show("wnd")


def test_check_finds_the_view_that_looks_ahead(data: DataService, features: FeatureService) -> None:
    commit(data, 0, 48)
    assert features.check("wind").clean
    assert [leak.column for leak in features.check("next_wind").leaks] == ["tomorrow"]


def test_list_shows_how_views_are_defined(features: FeatureService) -> None:
    first, second = features.list()
    assert (first.name, first.ttl, first.available_after, first.lookback) == ("wind", 10_800, 3_600, 10_800)
    assert (first.doc, second.lookback) == ("The wind, an hour late.", None)


def test_every_verb_can_be_told_to_the_faces() -> None:
    assert {name for name, (_, verb) in verbs_of(FeatureService).items() if get_type_hints(verb)} == {
        *["check", "list", "materialize", "online", "show"]
    }
