from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.delivery.mill import DAY, START, Mill, project

from mulle.delivery.backtest.model import BacktestReport
from mulle.delivery.declare import Schedule
from mulle.errors import DeliveryError, UnknownNameError

POLICIES = ["never", "daily", "quality"]


def filled(folder: Path, days: int = 24) -> Mill:
    """A mill whose world turns round on the 16th day, with its data arrived and nothing trained."""
    project(folder, '[quality_drop("late", "roc_auc", 0.1)]', "1d", turns="2024-01-16")
    mill = Mill(folder, day=days)
    mill.ws.collect()
    return mill


def replay(mill: Mill, policies: list[str] | None = None) -> BacktestReport:
    return mill.ws.backtests.replay("late", policies or POLICIES, start=START + 9 * DAY)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mill, BacktestReport]:
    mill = filled(tmp_path_factory.mktemp("lived"))
    return mill, replay(mill)


def test_every_policy_answers_the_same_questions(lived: tuple[Mill, BacktestReport]) -> None:
    _, report = lived
    assert {one.answered for one in report.policies.values()} == {report.questions}


def test_a_policy_that_never_retrains_pays_in_quality(lived: tuple[Mill, BacktestReport]) -> None:
    _, report = lived
    never, daily = report.policies["never"], report.policies["daily"]
    assert never.retrainings == 0
    assert never.regret is not None
    assert daily.regret is not None
    assert never.regret > daily.regret + 0.2


def test_the_quality_policy_retrains_after_the_turn_and_seldom(lived: tuple[Mill, BacktestReport]) -> None:
    _, report = lived
    times = [one.at for one in report.policies["quality"].events if one.kind == "fired"]
    assert times
    assert min(times) > START + 15 * DAY
    assert len(times) < report.policies["daily"].retrainings / 2


def test_trainings_are_shared(lived: tuple[Mill, BacktestReport]) -> None:
    mill, report = lived
    with_oracle = sum(one.retrainings for one in report.policies.values()) + report.oracle.retrainings
    assert report.distinct_trainings < with_oracle
    assert mill.ws.models.list() == []


def test_the_real_workspace_gets_one_event_and_the_report(lived: tuple[Mill, BacktestReport]) -> None:
    mill, report = lived
    assert mill.ws.backtests.show(report.id) == report
    assert [one.id for one in mill.ws.backtests.list()] == [report.id]
    assert mill.ws.data.head("events").rows == 24 * 120
    assert list((mill.ws.root / "tmp").glob("backtest-*")) == []


def test_the_same_history_gives_the_same_digest(lived: tuple[Mill, BacktestReport], tmp_path: Path) -> None:
    _, report = lived
    assert replay(filled(tmp_path)).digest == report.digest


def test_a_table_committed_at_once_is_replayed_by_day(lived: tuple[Mill, BacktestReport], tmp_path: Path) -> None:
    mill, _ = lived
    project(tmp_path, '[quality_drop("late", "roc_auc", 0.1)]', "1d", turns="2024-01-16")
    other = Mill(tmp_path, day=24)
    events = other.ws.project.definitions.get("dataset", "events")
    other.ws.data.commit(events, mill.ws.data.read("events"))
    found = replay(other, ["never"])
    assert found.policies["never"].answered > 0
    assert len(other.ws.data.versions("events")) == 1


def test_a_policy_of_ones_own(lived: tuple[Mill, BacktestReport]) -> None:
    mill, _ = lived
    found = mill.ws.backtests.replay("late", {"mine": [Schedule("0 0 */5 * *")]}, start=START + 9 * DAY)
    assert found.policies["mine"].retrainings == 3


def test_features_and_labels_of_the_future_do_not_matter(lived: tuple[Mill, BacktestReport], tmp_path: Path) -> None:
    """What was decided before a day is the same when history ends on that day."""
    _, whole = lived
    short = filled(tmp_path, days=18)
    found = short.ws.backtests.replay("late", ["daily"], start=START + 9 * DAY, end=START + 18 * DAY)
    until = START + 17 * DAY
    early = [one for one in whole.policies["daily"].events if one.at < until]
    assert [one for one in found.policies["daily"].events if one.at < until] == early


def test_an_unknown_policy_suggests_the_nearest(lived: tuple[Mill, BacktestReport]) -> None:
    with pytest.raises(UnknownNameError, match="monthly"):
        replay(lived[0], ["montly"])


def test_a_start_before_history_is_told(lived: tuple[Mill, BacktestReport]) -> None:
    with pytest.raises(DeliveryError, match="history goes from"):
        lived[0].ws.backtests.replay("late", ["never"], start=START - timedelta(days=9))
