"""Lists that a step gives: a call for each item, and items combined into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.errors import PipelineError
from mulle.pipelines import RunService

Make = Callable[..., Site]

LISTS = """
import mulle

@mulle.step
def names(n: int) -> list:
    return [f"x{i}" for i in range(n)]

@mulle.step
def measure(name: str, scale: int = 1) -> int:
    return int(name[1:]) * scale

@mulle.step
def both(name: str) -> tuple[str, int]:
    return name.upper(), len(name)

@mulle.step
def add(a: int, b: int, bonus: int = 0) -> int:
    return a + b + bonus

@mulle.step
def count(numbers: list) -> int:
    return len(numbers)

@mulle.step
def things(n: int) -> list:
    return [Thing(i) for i in range(n)]

class Thing:
    def __init__(self, n):
        self.n = n

@mulle.step
def weigh(thing: Thing) -> int:
    return thing.n * 10

@mulle.pipeline
def main(n: int = 3, scale: int = 1):
    measured = measure.map(names(n), scale=scale)
    return {"sum": add.reduce(measured), "count": count(measured), "all": measured}

@mulle.pipeline
def chained(n: int = 3):
    upper, lengths = both.map(names(n))
    return {"sum": add.reduce(lengths), "measured": count(measure.map(upper)), "again": measure.map(upper)}

@mulle.pipeline
def chosen(n: int = 3):
    return count(measure.map(mulle.when(many(n), lambda: names(n), lambda: ["x7"])))

@mulle.step
def many(n: int) -> bool:
    return n > 2

@mulle.pipeline
def pickled(n: int = 3):
    return {"weights": weigh.map(things(n))}

@mulle.pipeline
def static(n: int = 5):
    return {"sum": add.reduce([measure(f"x{i}") for i in range(n)], bonus=1)}

@mulle.pipeline
def no_list():
    return measure.map(measure("x1"))

@mulle.pipeline
def empty():
    return add.reduce(names(0))
"""


def value(site: Site, result: Any, name: str = "result") -> Any:
    return site.controller.value(result.check().outputs[name])


def executed(result: Any) -> list[str]:
    return [step.name for step in result.check().steps if step.status == "executed"]


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_a_step_is_called_for_each_item_of_a_list_that_a_step_gives(site: Make, kind: str) -> None:
    made = site(kind, project=LISTS)
    result = made.run("main", n=3)
    assert (value(made, result, "sum"), value(made, result, "count")) == (3, 3)
    assert [value(made, result, f"all[{place}]") for place in range(3)] == [0, 1, 2]
    assert made.run("main", n=3).steps_executed == 0


def test_only_new_items_run(site: Make) -> None:
    made = site(project=LISTS)
    made.run("main", n=3)
    assert executed(made.run("main", n=4)) == ["names", "measure[3]", "add[0.1]", "add[1.0]", "count"]


def test_an_empty_list_calls_nothing(site: Make) -> None:
    made = site(project=LISTS)
    result = made.run("chained", n=0)
    assert result.status == "failed"
    assert "nothing to combine" in result.error
    assert value(made, made.run("chosen", n=1)) == 1


def test_a_map_of_a_map_goes_on_item_by_item(site: Make) -> None:
    made = site(project=LISTS)
    result = made.run("chained")
    assert (value(made, result, "sum"), value(made, result, "measured")) == (6, 3)
    assert [step.name for step in result.steps if step.name.startswith("measure-2")] == [
        "measure-2[0]", "measure-2[1]", "measure-2[2]"
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "expected"), [(3, 3), (1, 1)])
def test_what_was_chosen_is_mapped_over(site: Make, n: int, expected: int) -> None:
    made = site(project=LISTS)
    assert value(made, made.run("chosen", n=n)) == expected


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_items_that_are_not_plain_are_known_by_what_they_are(site: Make, kind: str) -> None:
    made = site(kind, project=LISTS)
    assert value(made, made.run("pickled"), "weights[2]") == 20
    assert executed(made.run("pickled", n=4)) == ["things", "weigh[3]"]


def test_results_are_combined_two_at_a_time(site: Make) -> None:
    made = site(project=LISTS)
    result = made.run("static")
    assert value(made, result, "sum") == 10 + 4
    assert [step.name for step in result.steps if step.name.startswith("add")] == [
        "add[0.0]", "add[0.1]", "add[1.0]", "add[2.0]"
    ]  # fmt: skip


def test_what_is_no_list_is_a_failure_with_its_cure(site: Make) -> None:
    result = site(project=LISTS).run("no_list")
    assert "'measure-2' cannot go over what 'measure' gave" in result.error


def test_lineage_and_graph_lead_from_the_items_to_the_list(site: Make) -> None:
    made = site(project=LISTS)
    graph = RunService(catalog=made.catalog, workspace=made.workspace).graph(made.run("main").id)
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert ("names", "measure[1]") in edges
    assert all(node.status == "executed" for node in graph.nodes)


def test_partitions_are_not_combined() -> None:
    import mulle
    from mulle.pipelines import Pipeline
    from mulle.pipelines.graph import trace

    @mulle.step
    def add(a: int, b: int) -> int:
        return a + b

    parts = mulle.partitions(mulle.dataset("things"), by="kind")

    def main() -> Any:
        return add.reduce(parts)

    with pytest.raises(PipelineError, match="cannot combine partitions"):
        trace(Pipeline(main, "main"), {})
