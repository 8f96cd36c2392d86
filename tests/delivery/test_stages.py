from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mulle.delivery.declare import canary, full, shadow
from mulle.delivery.stages import WATCH_AFTER, Observation, Progress, decide
from mulle.stats.bootstrap import Interval

PLAN = [shadow("6h"), canary(10, "6h"), full()]
NOW = datetime(2024, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = Observation(rows=500)


def act(stage: int, hours: float, seen: Observation = WELL) -> str:
    return decide(PLAN, Progress(stage, NOW), NOW + hours * HOUR, seen).action


def test_a_stage_is_held_for_its_time_and_then_left() -> None:
    assert [act(0, 5.9), act(0, 6), act(1, 5), act(1, 7)] == ["hold", "advance", "hold", "advance"]


def test_full_follows_at_once_and_is_watched() -> None:
    assert act(2, 0, Observation()) == "advance"
    assert [act(3, 1), act(3, WATCH_AFTER / HOUR)] == ["hold", "done"]


def test_answers_that_fail_roll_back_before_the_time_is_over() -> None:
    assert act(1, 1, Observation(rows=100, failed=5)) == "roll_back"


def test_a_failure_among_very_few_answers_is_waited_for() -> None:
    assert act(1, 1, Observation(rows=3, failed=1)) == "hold"


def test_surely_worse_on_labels_rolls_back_also_the_champion() -> None:
    worse = Interval(-0.05, -0.08, -0.02, 0.95, 500, 200)
    assert act(3, 2, Observation(rows=500, gain=worse)) == "roll_back"


def test_worse_by_chance_is_held() -> None:
    unsure = Interval(-0.05, -0.12, 0.02, 0.95, 500, 200)
    assert act(1, 1, Observation(rows=500, gain=unsure)) == "hold"


def test_a_stage_without_answers_is_waited_for_with_patience() -> None:
    assert [act(0, 7, Observation()), act(0, 24, Observation())] == ["hold", "advance"]
