from __future__ import annotations

from pathlib import Path

import pytest
from tests.delivery.mill import DAY, START, Mill, project

from mulle.delivery.backtest.model import BacktestReport

LABEL = "late = rng.random(n) < 1 / (1 + np.exp(-strength * x))"
LEARNER = "LogisticRegression"


def replayed(folder: Path, label: str, learner: str = LEARNER) -> BacktestReport:
    """The mill with another kind of label, without gate and quality monitor; its world turns round on the 16th day."""
    project(folder, cooldown="1d", turns="2024-01-16")
    file = folder / "mill.py"
    text = file.read_text().replace(LABEL, label).replace(LEARNER, learner)
    text = text.replace('gate=[better_than_champion("roc_auc")]', "gate=[]")
    text = text.replace('quality("roc_auc", min_labels=100, window="2d"), ', "")
    file.write_text(text)
    mill = Mill(folder, day=24)
    mill.ws.collect()
    return mill.ws.backtests.replay("late", ["never", "daily"], start=START + 9 * DAY)


def test_two_classes_are_measured_by_roc_auc_and_log_loss(tmp_path: Path) -> None:
    found = replayed(tmp_path, LABEL)
    assert found.metrics == ["roc_auc", "log_loss"]


@pytest.mark.parametrize("names", [["low", "mid", "high"], [1, 2, 3]])
def test_several_classes_are_measured_by_accuracy_and_log_loss(names: list[object], tmp_path: Path) -> None:
    low, mid, high = names
    found = replayed(tmp_path, f"late = np.select([strength * x < -1, strength * x > 1], [{low!r}, {high!r}], {mid!r})")
    never, daily = found.policies["never"], found.policies["daily"]
    assert found.metrics == ["accuracy", "log_loss"]
    assert (never.weekly_auc[0] or 0) > 0.8
    assert never.mean_auc is not None
    assert daily.mean_auc is not None
    assert never.mean_auc < daily.mean_auc - 0.1
    assert never.regret is not None
    assert never.regret > 0.1
    assert (never.mean_log_loss or 0) > (daily.mean_log_loss or 9)


def test_numbers_are_measured_by_their_errors(tmp_path: Path) -> None:
    found = replayed(tmp_path, "late = strength * x + rng.normal(0, 0.1, n)", "Ridge")
    assert found.metrics == ["rmse", "mae"]
    assert (found.policies["never"].mean_auc or 0) > (found.policies["daily"].mean_auc or 9)
    assert (found.policies["never"].regret or 0) > 0
