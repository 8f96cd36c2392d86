from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mulle.clock import VirtualClock
from mulle.errors import UnknownNameError, UsageError
from mulle.flavors import Model
from mulle.registry import Inputs
from mulle.testing.models import Leaning
from mulle.testing.planes import Planes

START = datetime(2013, 2, 1, tzinfo=UTC)
INPUTS = Inputs(dataset="flights", key=["flight"], event_time="at", label="late", label_delay=86400.0)


def flights(*names: str, late: bool | None = True, at: datetime = START) -> pl.DataFrame:
    return pl.DataFrame(
        {"flight": names, "wind": 1.0, "at": at, "late": late},
        schema_overrides={"late": pl.Boolean, "at": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def answered(planes: Planes) -> Planes:
    """Three flights, scored at the start and flown an hour later."""
    rows = flights("f1", "f2", "f3", at=START + timedelta(hours=1))
    planes.register("delay", Model(Leaning(), example=rows.select("wind")), inputs=INPUTS)
    planes.deployments.deploy("delay", "delay@1")
    planes.deployments.predict_table("delay", rows.drop("late"))
    planes.data.commit("flights", rows, key=["flight"], event_time="at")
    return planes


def test_answers_are_listed_from_the_newest(answered: Planes) -> None:
    found = answered.predictions.list("delay", limit=2)

    assert [one.id for one in found] == sorted((one.id for one in found), reverse=True)
    assert found[0].output == {"prediction": True, "probability": pytest.approx(0.731, abs=1e-3)}


def test_an_answer_is_shown_with_its_inputs(answered: Planes) -> None:
    newest = answered.predictions.list("delay", limit=1)[0]

    found = answered.predictions.show(f"prediction:{newest.id}")

    assert (found.key, found.inputs, found.model, found.label) == ("f3", {"wind": 1.0}, "delay@1", None)


def test_an_unknown_deployment_suggests(answered: Planes) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'delay'"):
        answered.predictions.list("delai")


def test_an_unknown_answer_says_how_to_list(answered: Planes) -> None:
    with pytest.raises(UnknownNameError, match="mulle predictions list"):
        answered.predictions.show("nothing")


def test_no_label_is_known_before_its_time(answered: Planes, clock: VirtualClock) -> None:
    clock.set(START + timedelta(hours=24, minutes=59))

    assert answered.predictions.join_labels("delay").height == 0


def test_labels_are_known_once_the_delay_has_passed(answered: Planes, clock: VirtualClock) -> None:
    clock.set(START + timedelta(hours=25))

    found = answered.predictions.join_labels("delay")

    assert found["label"].to_list() == [True, True, True]
    assert found["labelled"].to_list() == [START + timedelta(hours=25)] * 3


def test_feedback_goes_before_the_dataset(answered: Planes, clock: VirtualClock) -> None:
    newest = answered.predictions.list("delay", limit=1)[0]
    clock.set(START + timedelta(hours=30))

    answered.predictions.feedback(newest.id, label=False)

    found = answered.predictions.join_labels("delay", columns=["score"])
    assert found.filter(pl.col("id") == newest.id)["label"].to_list() == [False]
    assert found["label"].to_list().count(True) == 2


def test_feedback_comes_before_any_row(answered: Planes) -> None:
    newest = answered.predictions.list("delay", limit=1)[0]

    answered.predictions.feedback(newest.id, label=True)

    assert [one.id for one in answered.predictions.labels("delay")] == [newest.id]
    assert answered.predictions.show(newest.id).label is True


def test_feedback_is_one_value(answered: Planes) -> None:
    with pytest.raises(UsageError, match="not a label"):
        answered.predictions.feedback("any", label=[1])


def test_flights_without_an_outcome_stay_unlabelled(answered: Planes, clock: VirtualClock) -> None:
    cancelled = flights("f4", late=None, at=START + timedelta(hours=1))
    answered.deployments.predict_table("delay", cancelled.drop("late"))
    answered.data.commit("flights", cancelled, append=True)
    clock.set(START + timedelta(days=3))

    assert answered.predictions.join_labels("delay")["key"].to_list() == ["f1", "f2", "f3"]
