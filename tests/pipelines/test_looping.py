"""Loops: as many rounds as are needed, and no more than allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pipelines.drive import Site

import mulle
from mulle.errors import UsageError

Make = Callable[..., Site]

LOOPS = """
import mulle

@mulle.step
def grow(n: int, by: int = 2) -> int:
    return n * by

@mulle.step
def enough(n: int, limit: int) -> bool:
    return n >= limit

@mulle.step
def both(n: int, path: list) -> tuple[int, list]:
    return n + 1, [*path, n]

@mulle.step
def show(n: int) -> str:
    return f"it is {n}"

@mulle.pipeline
def main(limit: int = 10, most: int = 5):
    return show(mulle.loop(grow, 1, until=lambda n: enough(n, limit), most=most))

@mulle.pipeline
def several(limit: int = 3):
    n, path = mulle.loop(lambda state: both(*state), (0, []), until=lambda state: enough(state[0], limit), most=9)
    return {"n": n, "path": path}

@mulle.pipeline
def fixed():
    return mulle.loop(grow, 1, until=lambda n: False, most=3)

@mulle.pipeline
def inside(n: int = 1):
    small = mulle.loop(grow, n, until=lambda n: enough(n, 4), most=4)
    return mulle.when(enough(n, 3), lambda: n, lambda: mulle.loop(grow, small, until=lambda n: enough(n, 9), most=4))
"""


def value(site: Site, result: Any, name: str = "result") -> Any:
    return site.controller.value(result.check().outputs[name])


def made_rounds(result: Any, step: str = "grow") -> int:
    return sum(each.name.startswith(step) and each.status != "skipped" for each in result.steps)


@pytest.mark.parametrize(("limit", "most", "expected", "rounds"), [(10, 5, 16, 4), (1, 5, 2, 1), (99, 3, 8, 3)])
def test_a_loop_ends_when_it_is_enough(site: Make, limit: int, most: int, expected: int, rounds: int) -> None:
    made = site(project=LOOPS)
    result = made.run("main", limit=limit, most=most)
    assert (value(made, result), made_rounds(result)) == (f"it is {expected}", rounds)


def test_a_higher_limit_runs_only_the_further_rounds(site: Make) -> None:
    made = site(project=LOOPS)
    made.run("main", limit=4)
    result = made.run("main", limit=16)
    grown = [step.status for step in result.steps if step.name.startswith("grow")]
    assert grown == ["cached", "cached", "executed", "executed", "skipped"]


def test_a_state_of_several_values(site: Make) -> None:
    made = site(project=LOOPS)
    result = made.run("several")
    assert (value(made, result, "n"), value(made, result, "path")) == (3, [0, 1, 2])


def test_a_loop_that_only_counts(site: Make) -> None:
    made = site(project=LOOPS)
    assert value(made, made.run("fixed")) == 8


@pytest.mark.parametrize(("n", "expected"), [(1, 16), (3, 3)])
def test_loops_and_branches_in_each_other(site: Make, n: int, expected: int) -> None:
    made = site(project=LOOPS)
    assert value(made, made.run("inside", n=n)) == expected


def test_a_loop_without_a_bound_is_refused() -> None:
    with pytest.raises(UsageError, match="number of rounds that is known"):
        mulle.loop(lambda n: n, 1, until=bool, most=0)


def test_outside_a_pipeline_a_loop_is_a_loop() -> None:
    assert mulle.loop(lambda n: n * 2, 1, until=lambda n: n > 9, most=9) == 16
