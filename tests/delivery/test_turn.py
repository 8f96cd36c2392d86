from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select
from tests.delivery.mill import DAY, Mill, fired, project

from mulle.catalog import Catalog, Tx
from mulle.catalog.ledger import events
from mulle.delivery.tables import firing
from mulle.errors import StepFailedError


def started(folder: Path, on: str = "[]", cooldown: str = "0s", **given: object) -> Mill:
    """A mill with a first champion."""
    project(folder, on, cooldown, **given)
    mill = Mill(folder)
    mill.ws.triggers.fire("late", reason="begin")
    mill.turn()
    return mill


def test_the_first_version_serves_at_once(tmp_path: Path) -> None:
    mill = started(tmp_path)
    assert mill.live() == "late@1"
    assert mill.ws.models.show("late@champion").number == 1


def test_a_demand_starts_a_pipeline_once(tmp_path: Path) -> None:
    mill = started(tmp_path)
    assert fired([mill.turn(), mill.turn()]) == []
    mill.ws.triggers.fire("late", reason="again")
    assert fired([mill.turn(), mill.turn()]) == ["demand"]


def test_a_schedule_fires_once_a_tick(tmp_path: Path) -> None:
    mill = started(tmp_path, '[schedule("0 4 * * *")]')
    assert fired(mill.days(3)) == ["schedule"] * 3


@pytest.mark.parametrize(("missed", "starts"), [("skip", 0), ("latest", 1), ("all", 3)])
def test_after_a_downtime_missed_instants_are_made_up_for(tmp_path: Path, missed: str, starts: int) -> None:
    mill = started(tmp_path, f'[schedule("0 4 * * *", missed="{missed}", as_of=True)]')
    mill.clock.advance(2 * DAY + timedelta(hours=8))
    made = mill.turn().fired
    assert [one.status for one in made] == ["succeeded"] * starts
    assert [one.as_of for one in made] == [mill.clock.now().replace(hour=4) - DAY * ago for ago in range(starts)][::-1]
    assert [mill.ws.runs.show(one.run).as_of for one in made] == [one.as_of for one in made]
    assert fired([mill.turn()]) == []


def test_new_data_fires_when_there_is_enough(tmp_path: Path) -> None:
    mill = started(tmp_path, "[new_data(events, rows=240)]")
    assert fired(mill.days(4)) == ["new_data"] * 2


def test_a_commit_by_hand_fires_and_one_to_a_branch_does_not_before_it_is_merged(tmp_path: Path) -> None:
    mill = started(tmp_path, "[new_data(events, rows=100)]")
    data = mill.ws.data
    more = data.read("events").head(150).with_columns(id="by hand " + pl.col("id"))
    data.branch("events", "dev")
    data.commit("events", more, append=True, branch="dev")
    assert fired([mill.turn()]) == []
    data.merge("events", "dev")
    assert fired([mill.turn(), mill.turn()]) == ["new_data"]
    data.commit("events", more.with_columns(id="again " + pl.col("id")), append=True)
    assert fired([mill.turn(), mill.turn()]) == ["new_data"]


def test_a_drop_of_quality_fires(tmp_path: Path) -> None:
    mill = started(tmp_path, '[quality_drop("late", "roc_auc", 0.1)]', "1d", turns="2024-01-13")
    assert fired(mill.days(6)) == ["quality_drop"]


def test_drift_fires_with_the_feature_that_moved_as_evidence(tmp_path: Path) -> None:
    mill = started(tmp_path, '[drifted("late")]', "1d", turns="2024-01-13", moves=2.0)
    reports = mill.days(6)
    assert fired(reports)[:1] == ["drift"]
    evidence = next(one for report in reports for one in report.fired).evidence[0].evidence
    assert evidence["moved"][0]["feature"] == "z"


def test_a_quiet_world_fires_nothing(tmp_path: Path) -> None:
    mill = started(tmp_path, '[drifted("late"), quality_drop("late", "roc_auc", 0.02)]')
    assert fired(mill.days(8)) == []


def test_the_cooldown_puts_off(tmp_path: Path) -> None:
    mill = started(tmp_path, '[schedule("0 4 * * *")]', "2d")
    times = [one.at for report in mill.days(6) for one in report.fired]
    assert all(later - earlier >= 2 * DAY for earlier, later in itertools.pairwise(times))


def test_the_gate_refuses_what_is_not_better(tmp_path: Path) -> None:
    mill = started(tmp_path, '[schedule("0 4 * * *")]')
    verdicts = [one for report in mill.days(2) for one in report.verdicts]
    assert verdicts
    assert not any(one.passed for one in verdicts)
    assert mill.live() == "late@1"


def test_a_better_model_moves_through_shadow_and_canary_to_full(tmp_path: Path) -> None:
    mill = started(tmp_path, '[schedule("0 4 * * *")]', "30d", turns="2024-01-05")
    mill.clock.advance(6 * DAY)
    mill.ws.triggers.fire("late")
    roles = [set(mill.ws.deployments.show("late").traffic.weights.values())]
    moves = []
    for _ in range(8):
        moves += [one.action for one in mill.turn().moves if one.model == "late@2"]
        shown = mill.ws.deployments.show("late").traffic
        roles.append(set(shown.weights.values()))
        mill.clock.advance(timedelta(hours=6))
    assert {80.0, 20.0} in roles
    assert moves == ["advance", "advance", "advance", "done"]
    assert mill.live() == mill.ws.models.show("late@champion").ref == "late@2"


def test_a_candidate_that_answers_nonsense_is_rolled_back(tmp_path: Path) -> None:
    mill = started(tmp_path, turns="2024-01-05")
    mill.clock.advance(6 * DAY)
    mill.ws.triggers.fire("late")
    mill.turn()
    candidate = mill.ws.rollouts.list()[0]
    assert candidate.status == "active"
    rows = mill.ws.predictions.scan("late").head(0)
    mill.clock.advance(timedelta(hours=3))
    mill.turn()
    shadowed = mill.ws.predictions.scan("late", since=candidate.since)
    broken = shadowed.filter(shadowed["role"] == "shadow")
    assert broken.height > 0
    nonsense = broken.with_columns(id=broken["id"] + "-x", score=None)
    mill.ws.predictions.append("late", nonsense.cast({"score": rows.schema["score"]}))
    assert [one.action for one in mill.turn().moves] == ["roll_back"]
    traffic = mill.ws.deployments.show("late").traffic
    assert mill.live() == "late@1"
    assert traffic.shadow == []
    assert mill.ws.models.show("late@champion").number == 1


def test_every_decision_has_a_cause(tmp_path: Path) -> None:
    mill = started(tmp_path, '[drifted("late")]', "1d", turns="2024-01-13", moves=2.0)
    mill.days(6)
    with mill.ws.catalog.read() as tx:
        trail = {one.id: one for one in events(tx)}
    alert = next(one for one in trail.values() if one.verb == "monitors.raise")
    started_by = next(one for one in trail.values() if one.cause == alert.id and one.verb == "triggers.fired")
    run = next(one for one in trail.values() if one.cause == started_by.id and one.subject.startswith("run:"))
    assert run


def test_a_run_that_fails_is_recorded_and_not_tried_again(tmp_path: Path) -> None:
    mill = started(tmp_path)

    def broken(pipeline: str, **_: object) -> None:
        raise StepFailedError("no", cause=pipeline)

    mill.ws.triggers.fire("late")
    report = mill.turn(start=broken)
    assert [one.status for one in report.fired] == ["failed"]
    assert fired([mill.turn()]) == []


class KilledError(BaseException):
    """What a kill looks like from inside: nothing after it happens."""


class Fragile:
    """A catalog whose nth write transaction is the last: it is undone, and so is everything after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
        self.left = n
        finish = Tx.finish

        def dying(tx: Tx) -> None:
            self.left -= 1
            if self.left < 0:
                raise KilledError
            finish(tx)

        monkeypatch.setattr(Tx, "finish", dying)


def outcome(mill: Mill) -> list[object]:
    with mill.ws.catalog.read() as tx:
        rows = tx.all(select(firing.c.pipeline, firing.c.rule, firing.c.status).order_by(firing.c.number))
    rolled = [(one.model, one.version, one.status) for one in mill.ws.rollouts.list()]
    verdicts = [(one.version, one.passed) for one in mill.ws.rollouts.verdicts()]
    return [[tuple(row) for row in rows], rolled, verdicts, mill.live()]


def scene(folder: Path) -> Mill:
    mill = started(folder, '[schedule("0 4 1 * *")]', turns="2024-01-05")
    mill.clock.advance(6 * DAY)
    mill.ws.triggers.fire("late")
    return mill


@pytest.mark.soak
@pytest.mark.parametrize("write", range(0, 24, 3))
def test_killed_at_any_write_the_next_turn_ends_as_if_nothing_had_been(tmp_path: Path, write: int) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    calm = scene(tmp_path / "calm")
    calm.turn()
    killed = scene(tmp_path / "killed")
    with pytest.MonkeyPatch.context() as patch:
        Fragile(patch, write)
        with contextlib.suppress(KilledError):
            killed.turn()
    killed.turn()
    assert outcome(killed) == outcome(calm)


def test_two_wheels_at_once_fire_once(tmp_path: Path) -> None:
    mill = started(tmp_path)
    mill.ws.triggers.fire("late")
    other = Catalog.open(mill.ws.catalog.path, mill.clock, mill.ws.ids)
    reports = [mill.turn(), mill.turn(catalog=other)]
    other.close()
    assert fired(reports) == ["demand"]
