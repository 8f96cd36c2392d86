from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from tests.features.worlds import DAY, HOUR, START, flights, table

from mulle.data import DataService, dataset
from mulle.data import parts as decoded
from mulle.errors import FeatureError
from mulle.features import ASKED, TrainingSpec, build_training_set, feature_view, join, training_inputs
from mulle.testing.memory_store import MemoryStore


@feature_view(entity=["origin"], source=flights, ttl="1d", lookback="0s")
def last_known(rows: pl.DataFrame) -> pl.DataFrame:
    """The outcome of each hour; available with the label, a day later."""
    return rows.select("origin", "at", last_late="late", last_at="at")


@feature_view(entity=["origin"], source=flights, ttl="1d", available_after="0s")
def peeking(rows: pl.DataFrame) -> pl.DataFrame:
    """A planted leak: the outcome, claimed to be known at the event."""
    return rows.select("origin", "at", peeked="late")


@feature_view(entity=["origin"], source=flights, ttl="1d", available_after="0s")
def distances(rows: pl.DataFrame) -> pl.DataFrame:
    """Something that is known at the event."""
    return rows.select("origin", "at", last_distance="distance")


@pytest.fixture
def spec(data: DataService) -> Any:
    """Ten days in ten parts, as of the end of the eighth."""
    everything = table(10)
    for day in range(10):
        rows = everything.filter(pl.col("at").is_between(START + day * DAY, START + (day + 1) * DAY, closed="left"))
        data.commit(flights, rows, append=True)
    return make(data)


def make(data: DataService, *views: Any, window: timedelta = 5 * DAY, as_of: Any = START + 8 * DAY) -> TrainingSpec:
    digest = data.head("flights").digest
    return TrainingSpec(flights, digest, tuple((view, digest) for view in views), window, as_of)


def test_rows_are_of_the_window_and_their_label_was_known(store: MemoryStore, spec: TrainingSpec) -> None:
    rows = build_training_set(store, spec)
    assert rows["at"].min() == START + 3 * DAY
    assert rows["at"].max() == START + 7 * DAY
    assert rows["late"].null_count() == 0


def test_the_last_label_is_the_one_known_at_that_very_instant(store: MemoryStore, spec: TrainingSpec) -> None:
    newest = build_training_set(store, spec)["at"].max()
    assert newest == spec.as_of - flights.label_delay


def test_columns_come_in_their_order(data: DataService, store: MemoryStore, spec: TrainingSpec) -> None:
    rows = build_training_set(store, make(data, last_known, distances))
    assert rows.columns == ["id", ASKED, "at", "origin", "distance", "last_late", "last_at", "last_distance", "late"]


def test_rows_are_asked_about_two_hours_before(store: MemoryStore, spec: TrainingSpec) -> None:
    rows = build_training_set(store, spec)
    assert (rows["at"] - rows[ASKED]).unique().to_list() == [2 * HOUR]


def test_features_are_those_that_were_known_when_asked(data: DataService, store: MemoryStore, spec: Any) -> None:
    rows = build_training_set(store, make(data, last_known))
    assert (rows["at"] - rows["last_at"]).unique().to_list() == [DAY + 2 * HOUR]


def test_features_are_the_same_whenever_one_looks(data: DataService, store: MemoryStore, spec: Any) -> None:
    """What was known when a row was asked about does not change by looking later, or at more."""
    early = build_training_set(store, make(data, last_known, distances, as_of=START + 6 * DAY))
    late = build_training_set(store, make(data, last_known, distances, as_of=START + 10 * DAY, window=9 * DAY))
    assert late.filter(pl.col("id").is_in(early["id"].implode())).equals(early)


def test_a_view_cannot_see_outcomes_before_they_are_known(data: DataService, store: MemoryStore, spec: Any) -> None:
    """The planted leak does not compute at all: the column is not in what the function is given."""
    with pytest.raises(FeatureError, match="feature view 'peeking' uses 'late' before it is known") as caught:
        build_training_set(store, make(data, peeking))
    assert caught.value.cure == "set available_after to the label delay or more, or leave the column out"


def test_the_outcomes_of_the_rows_themselves_are_not_among_their_inputs(store: MemoryStore, data: DataService) -> None:
    both = dataset("both", event_time="at", label="late", label_delay="1d", expect=None)
    data.commit(both, table(4))
    digest = data.head("both").digest
    rows = build_training_set(store, TrainingSpec(both, digest, (), 9 * DAY, START + 9 * DAY))
    assert rows.columns[-1] == "late"


def test_the_future_cannot_change_a_training_set(store: MemoryStore, data: DataService) -> None:
    """Whatever happens after `as_of`, or becomes known after it, the training set is the same."""
    as_of = START + 5 * DAY
    true = table(8)
    unknown = pl.col("at") + flights.label_delay > as_of
    changed = true.with_columns(
        late=pl.when(unknown).then(~pl.col("late")).otherwise(pl.col("late")),
        distance=pl.when(pl.col("at") > as_of).then(-1.0).otherwise(pl.col("distance")),
    )
    sets = []
    for rows in (true, changed):
        data.commit(flights, rows)
        sets.append(build_training_set(store, make(data, last_known, distances, as_of=as_of)))
    assert sets[0].equals(sets[1])


def test_a_dataset_without_label_is_an_error(store: MemoryStore, data: DataService, spec: TrainingSpec) -> None:
    plain = dataset("flights", event_time="at")
    with pytest.raises(FeatureError, match="has no label"):
        build_training_set(store, TrainingSpec(plain, spec.manifest, (), spec.window, spec.as_of))


def test_nothing_to_learn_from_is_an_error_that_says_when(data: DataService, store: MemoryStore, spec: Any) -> None:
    with pytest.raises(FeatureError, match="nothing to learn from in 'flights'"):
        build_training_set(store, make(data, as_of=START + DAY - HOUR))


def test_inputs_are_the_parts_that_may_be_read(data: DataService, store: MemoryStore, spec: Any) -> None:
    wanted = make(data, last_known, window=2 * DAY)
    days = [entry.digest for entry in data.parts(data.head("flights"))]
    assert training_inputs(store, wanted) == {"flights": days[6:8], "flights/last_known": days[3:6]}


def test_what_is_not_an_input_is_not_read(data: DataService, store: MemoryStore, spec: Any) -> None:
    wanted = make(data, last_known, window=2 * DAY)
    inputs = {digest for digests in training_inputs(store, wanted).values() for digest in digests}
    for entry in data.parts(data.head("flights")):
        if entry.digest not in inputs:
            store.damage(entry.digest)
    decoded.forget()
    assert build_training_set(store, wanted).height == 2 * (25 - 2), "25 hours of two airports, two without label"


def test_a_later_part_does_not_change_the_inputs(data: DataService, store: MemoryStore, spec: Any) -> None:
    before = training_inputs(store, make(data, last_known))
    data.commit(flights, table(11).filter(pl.col("at") >= START + 10 * DAY), append=True)
    assert training_inputs(store, make(data, last_known)) == before


def test_a_join_keeps_every_row_and_adds_nothing_but_features(data: DataService, store: MemoryStore, spec: Any) -> None:
    digest = data.head("flights").digest
    rows = pl.DataFrame({"origin": ["JFK", "LGA", None]})
    asked = pl.Series([START + 3 * DAY] * 3)
    joined = join(store, rows, [(distances, digest)], asked)
    assert joined.rows() == [("JFK", 72.0), ("LGA", None), (None, None)]


def test_a_join_of_no_rows_has_the_columns(data: DataService, store: MemoryStore, spec: Any) -> None:
    digest = data.head("flights").digest
    rows = pl.DataFrame({"origin": []}, schema={"origin": pl.String})
    asked = pl.Series([], dtype=pl.Datetime("us", "UTC"))
    assert join(store, rows, [(distances, digest)], asked).columns == ["origin", "last_distance"]


def test_a_join_agrees_with_the_training_set(data: DataService, store: MemoryStore, spec: Any) -> None:
    """The replayed request gets the features that it will be trained on."""
    rows = build_training_set(store, make(data, last_known, distances))
    digest = data.head("flights").digest
    request = rows.select("id", ASKED, "at", "origin", "distance")
    joined = join(store, request, [(last_known, digest), (distances, digest)], ASKED)
    assert joined.equals(rows.drop("late"))
