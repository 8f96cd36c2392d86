"""Branches: one of two is taken by what a step gave; the other is skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pipelines.drive import Site

import mulle
from mulle.errors import StepFailedError
from mulle.pipelines import Pipeline, RunService
from mulle.pipelines.graph import trace

Make = Callable[..., Site]

BRANCHES = """
import mulle

@mulle.step
def good(n: int) -> bool:
    return n > 3

@mulle.step
def double(n: int) -> int:
    return n * 2

@mulle.step
def negate(n: int) -> int:
    return -n

@mulle.step
def show(n) -> str:
    return f"it is {n}"

@mulle.step
def pair(n: int) -> tuple[int, int]:
    return n, n + 1

@mulle.pipeline
def main(n: int = 5):
    return show(mulle.when(good(n), lambda: double(n), lambda: negate(double(n))))

@mulle.pipeline
def half(n: int = 5):
    return show(mulle.when(good(n), lambda: double(n)))

@mulle.pipeline
def pairs(n: int = 5):
    first, second = mulle.when(good(n), lambda: pair(n), lambda: (n, negate(n)))
    return {"first": show(first), "second": second}

@mulle.pipeline
def nested(n: int = 5):
    inner = lambda: mulle.when(good(double(n)), lambda: double(n), lambda: 0)
    return {"n": mulle.when(good(n), lambda: 100, inner)}

@mulle.pipeline
def decided(n: int = 5):
    sure = mulle.when(good(n), lambda: good(n), lambda: False)
    return show(mulle.when(sure, lambda: double(n), lambda: 1))

@mulle.pipeline
def undecided(n: int = 5):
    return mulle.when(double(n), lambda: negate(n))

@mulle.pipeline
def effects(n: int = 5):
    mulle.when(good(n), lambda: mulle.register("m", double(n)))
"""


def statuses(result: Any) -> dict[str, str]:
    return {step.name: step.status for step in result.steps}


def value(site: Site, result: Any, name: str = "result") -> Any:
    return site.controller.value(result.check().outputs[name])


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_only_the_branch_that_is_taken_runs(site: Make, kind: str) -> None:
    made = site(kind, project=BRANCHES)
    taken, other = made.run("main", n=5), made.run("main", n=1)
    assert (value(made, taken), value(made, other)) == ("it is 10", "it is -2")
    assert statuses(taken) == {
        "good": "executed", "double": "executed", "double-2": "skipped", "negate": "skipped", "show": "executed"
    }  # fmt: skip
    assert statuses(other)["double"] == "skipped"


def test_a_second_run_executes_nothing(site: Make) -> None:
    made = site(project=BRANCHES)
    made.run("main")
    again = made.run("main")
    assert (again.steps_executed, value(made, again)) == (0, "it is 10")


def test_a_branch_that_is_not_there_gives_none(site: Make) -> None:
    made = site(project=BRANCHES)
    assert value(made, made.run("half", n=1)) == "it is None"


def test_branches_alike_in_form_are_unpacked(site: Make) -> None:
    made = site(project=BRANCHES)
    one, two = made.run("pairs", n=5), made.run("pairs", n=1)
    assert [value(made, one, "first"), value(made, one, "second")] == ["it is 5", 6]
    assert [value(made, two, "first"), value(made, two, "second")] == ["it is 1", -1]


@pytest.mark.parametrize(("n", "expected"), [(5, 100), (3, 6), (1, 0)])
def test_branches_in_branches(site: Make, n: int, expected: int) -> None:
    made = site(project=BRANCHES)
    result = made.run("nested", n=n)
    assert value(made, result, "n") == expected


@pytest.mark.parametrize(("n", "expected"), [(5, "it is 10"), (1, "it is 1")])
def test_what_a_branch_gave_may_decide(site: Make, n: int, expected: str) -> None:
    made = site(project=BRANCHES)
    assert value(made, made.run("decided", n=n)) == expected


def test_a_condition_that_is_no_bool_is_a_failure_with_its_cure(site: Make) -> None:
    result = site(project=BRANCHES).run("undecided")
    with pytest.raises(StepFailedError, match="'double' decides what runs, but gave no bool") as caught:
        result.check()
    assert "bool" in str(caught.value.cure)


def test_an_effect_of_a_branch_that_is_not_taken_does_not_happen(site: Make) -> None:
    made = site(project=BRANCHES)
    assert statuses(made.run("effects", n=1)) == {"good": "executed", "double": "skipped", "register-m": "skipped"}


def test_the_graph_shows_what_was_chosen_and_what_decided(site: Make) -> None:
    made = site(project=BRANCHES)
    graph = RunService(catalog=made.catalog, workspace=made.workspace).graph(made.run("main").id)
    edges = {(edge.source, edge.target, edge.label) for edge in graph.edges}
    assert ("double", "show", "n") in edges
    assert ("good", "negate", "when") in edges
    assert {node.name: node.status for node in graph.nodes}["negate"] == "skipped"


def test_a_condition_that_is_known_chooses_at_once() -> None:
    @mulle.step
    def one() -> int:
        return 1

    def main(fast: bool = True) -> Any:
        return mulle.when(fast, one, lambda: (one(), one()))

    assert len(trace(Pipeline(main, "main"), {}).nodes) == 1
    assert len(trace(Pipeline(main, "main"), {"fast": False}).nodes) == 2


def test_outside_a_pipeline_only_the_branch_that_is_taken_is_called() -> None:
    assert mulle.when(True, lambda: 1, lambda: 1 // 0) == 1
    assert mulle.when(False, lambda: 1 // 0) is None
