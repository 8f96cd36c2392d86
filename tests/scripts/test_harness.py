"""The measuring bench."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks import harness, results


def test_a_figure_is_the_median_beside_its_baseline() -> None:
    costs = iter([1.0, 2.0, 3.0, 4.0, 9.0, 2.0])
    take = lambda: harness.Cost(next(costs), 1.0)  # noqa: E731
    figure = harness.measure("x", take, n=3, warm_up=0, baseline=("y", take))
    assert (figure.wall, figure.baseline_wall, figure.wall_ratio) == (3.0, 2.0, 1.5)


@pytest.mark.parametrize(("budget", "met"), [(2.0, True), (0.5, False)])
def test_a_budget_is_met_or_not(budget: float, met: bool) -> None:
    figure = harness.measure("x", lambda: harness.Cost(1.0, 1.0), n=1, budget=budget)
    assert figure.met is met


def test_what_a_function_costs_is_by_thing() -> None:
    assert harness.function(lambda: sum(range(10_000)), unit=1000)().wall < 0.01


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="exits with 3"):
        harness.command([sys.executable, "-c", "raise SystemExit(3)"])()


def test_figures_are_written_with_their_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "OUT", tmp_path)
    harness.publish("made", [harness.measure("x", lambda: harness.Cost(1.0, 1.0), n=1, budget=2.0)])
    page = results.write(tmp_path, tmp_path / "RESULTS.md").read_text()
    assert "| x | 1 | 1.00 s | 1.00 s |  |  | wall ≤ 2.00 s: met |" in page
    assert "cores of" in page
