from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.delivery.declare import (
    Cause,
    Drifted,
    Missed,
    NewData,
    QualityDrop,
    Schedule,
    TriggerDefinition,
    schedule,
)
from mulle.delivery.firing import AlertFact, DemandFact, Facts, Memory, decide, due, next_wake
from mulle.errors import UsageError

NOW = datetime(2024, 3, 10, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def kinds(on: list[Cause], memory: Memory, facts: Facts, cooldown: timedelta = timedelta(0)) -> list[str]:
    return [one.kind for one in decide(TriggerDefinition("p", tuple(on), cooldown), memory, facts).reasons]


def alert(number: int = 1, watch: str = "drift", *, current: bool = True, drop: float = 0.05) -> AlertFact:
    return AlertFact(number, f"a{number}", "e", "d", watch, current, {"metric": "roc_auc", "drop": drop})


def test_a_tick_between_two_turns_fires_once_however_many_were_missed() -> None:
    on: list[Cause] = [Schedule("0 4 * * *")]
    first = decide(TriggerDefinition("p", tuple(on)), Memory(NOW - 5 * DAY), Facts(NOW))
    assert [one.kind for one in first.reasons] == ["schedule"]
    assert kinds(on, first.memory, Facts(NOW + HOUR)) == []
    assert kinds(on, first.memory, Facts(NOW + DAY)) == ["schedule"]


def ticks(cause: Schedule, since: datetime, now: datetime) -> list[datetime]:
    return due(cause, since, now)


def test_missed_instants_are_made_up_for_as_the_schedule_says() -> None:
    since, now = NOW - 3 * DAY, NOW + HOUR
    every = [NOW - 2 * DAY, NOW - DAY, NOW]
    assert ticks(Schedule("0 4 * * *"), since, now) == [NOW]
    assert ticks(Schedule("0 4 * * *", "all"), since, now) == every
    assert ticks(Schedule("0 4 * * *", "skip"), since, now) == []


def test_an_instant_that_is_not_missed_is_not_skipped() -> None:
    late = NOW + timedelta(seconds=2.5)
    for missed in get_args(Missed):
        assert ticks(Schedule("0 4 * * *", missed), NOW - HOUR, late) == [NOW]
        assert ticks(Schedule("0 4 * * *", missed), NOW, late) == []
        assert ticks(Schedule("0 4 * * *", missed), NOW - HOUR, NOW - timedelta(milliseconds=1)) == []


def test_no_more_are_made_up_for_than_can_be() -> None:
    found = ticks(Schedule("* * * * *", "all"), NOW - 30 * DAY, NOW)
    assert (len(found), found[-1], found[0]) == (1000, NOW, NOW - timedelta(minutes=999))


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(1, 5000))
def test_all_of_several_turns_are_those_of_one(first: int, more: int) -> None:
    cause, middle = Schedule("*/30 * * * *", "all"), NOW + timedelta(minutes=first)
    end = middle + timedelta(minutes=more)
    assert due(cause, NOW, middle) + due(cause, middle, end) == due(cause, NOW, end)


def test_runs_as_of_their_instants_are_runs_of_their_own() -> None:
    definition = TriggerDefinition("p", (schedule("0 4 * * *", missed="all"), NewData("events", 100)))
    facts = Facts(NOW + HOUR, {"events": 1100})
    reasons = decide(definition, Memory(NOW - 2 * DAY, rows={"events": 1000}), facts).reasons
    assert [one.as_of for one in reasons] == [NOW - DAY, NOW, None]


def test_a_policy_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="latest"):
        schedule("0 4 * * *", missed="lates")  # type: ignore[arg-type]


def test_rows_count_from_the_last_start() -> None:
    on: list[Cause] = [NewData("events", 100)]
    memory = Memory(NOW, rows={"events": 1000})
    assert kinds(on, memory, Facts(NOW, {"events": 1099})) == []
    decided = decide(TriggerDefinition("p", tuple(on)), memory, Facts(NOW, {"events": 1100}))
    assert decided.memory.rows == {"events": 1100}


def test_an_alert_counts_once() -> None:
    on: list[Cause] = [Drifted("d")]
    first = decide(TriggerDefinition("p", tuple(on)), Memory(NOW), Facts(NOW, alerts=[alert()]))
    assert [one.event for one in first.reasons] == ["e"]
    assert kinds(on, first.memory, Facts(NOW + HOUR, alerts=[alert()])) == []


def test_an_alert_about_a_model_that_serves_no_more_does_not_count() -> None:
    assert kinds([Drifted("d")], Memory(NOW), Facts(NOW, alerts=[alert(current=False)])) == []


def test_a_drop_must_be_large_enough() -> None:
    on: list[Cause] = [QualityDrop("d", "roc_auc", 0.04)]
    assert kinds(on, Memory(NOW), Facts(NOW, alerts=[alert(watch="quality", drop=0.03)])) == []
    assert kinds(on, Memory(NOW), Facts(NOW, alerts=[alert(watch="quality", drop=0.05)])) == ["quality_drop"]


def test_the_cooldown_puts_off_and_does_not_forget() -> None:
    on: list[Cause] = [Drifted("d")]
    definition = TriggerDefinition("p", tuple(on), 3 * DAY)
    cooling = decide(definition, Memory(NOW, fired=NOW - DAY), Facts(NOW, alerts=[alert()]))
    assert cooling.reasons == []
    assert [one.kind for one in cooling.put_off] == ["drift"]
    later = decide(definition, cooling.memory, Facts(NOW + 2 * DAY, alerts=[alert()]))
    assert [one.kind for one in later.reasons] == ["drift"]


def test_a_demand_does_not_wait_for_the_cooldown_and_counts_once() -> None:
    asked = Facts(NOW, demands=[DemandFact(1, "e", "please")])
    definition = TriggerDefinition("p", (), 3 * DAY)
    first = decide(definition, Memory(NOW, fired=NOW - HOUR), asked)
    assert [one.text for one in first.reasons] == ["please"]
    assert decide(definition, first.memory, asked).reasons == []


def test_several_reasons_in_one_turn_are_one_start() -> None:
    on: list[Cause] = [Schedule("0 4 * * *"), Drifted("d")]
    assert kinds(on, Memory(NOW - HOUR), Facts(NOW, alerts=[alert()])) == ["schedule", "drift"]


def test_the_next_wake_is_a_tick_or_the_end_of_a_cooldown() -> None:
    definition = TriggerDefinition("p", (Schedule("0 4 1 * *"),), DAY)
    assert next_wake([(definition, Memory(NOW))], NOW) == datetime(2024, 4, 1, 4, tzinfo=UTC)
    assert next_wake([(definition, Memory(NOW, fired=NOW))], NOW) == NOW + DAY
