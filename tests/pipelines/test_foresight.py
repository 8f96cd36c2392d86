"""What a run would do, and why: told before, and then it is what the run does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.pipelines.model import Forecast
from mulle.pipelines.parts import Reason

Make = Callable[..., Site]

PROJECT = """
import mulle
import helpers

@mulle.step
def first(n: int, seed: int = 0) -> int:
    return n + seed

@mulle.step
def second(x: int) -> int:
    return helpers.scaled(x)

@mulle.step(environ=["RATE"], files=["conf.txt"])
def third(x: int) -> int:
    return x

@mulle.step
def even(x: int) -> bool:
    return x % 2 == 0

@mulle.step
def numbers(n: int) -> list:
    return list(range(n))

@mulle.pipeline
def main(n: int = 1, seed: int = 0):
    return third(second(first(n, seed)))

@mulle.pipeline
def branches(n: int = 2):
    return mulle.when(even(first(n)), lambda: second(n), lambda: third(n))

@mulle.pipeline
def lists(n: int = 2):
    return second.map(numbers(n))
"""
HELPERS = """
FACTOR = 2

def scaled(x):
    return x * FACTOR
"""


@pytest.fixture
def made(site: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    monkeypatch.delenv("RATE", raising=False)

    def opened(**edits: tuple[str, str]) -> Site:
        files = {"project": PROJECT, "helpers": HELPERS}
        for name, (old, new) in edits.items():
            assert old in files[name]
            files[name] = files[name].replace(old, new)
        return site(**files)

    return opened


@pytest.fixture(autouse=True)
def conf(tmp_path: Any) -> None:
    (tmp_path / "conf.txt").write_text("one")


def foreseen(site: Site, pipeline: str = "main", **params: Any) -> Forecast:
    return site.controller.foresee(site.project.one_pipeline(pipeline), params)


def told(forecast: Forecast) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    return {step.name: (step.would, [(each.part, each.name) for each in step.because]) for step in forecast.steps}


def executed(site: Site, pipeline: str = "main", **params: Any) -> list[str]:
    return [step.name for step in site.run(pipeline, **params).check().steps if step.status == "executed"]


def test_before_the_first_run_everything_is_new(made: Callable[..., Site]) -> None:
    assert told(foreseen(made())) == {
        "first": ("run", [("new", "")]),
        "second": ("run", [("new", ""), ("upstream", "first")]),
        "third": ("run", [("new", ""), ("upstream", "second")]),
    }


def test_a_forecast_runs_and_records_nothing(made: Callable[..., Site]) -> None:
    site = made()
    foreseen(site)
    with site.catalog.read() as tx:
        from mulle.tracking import runs

        assert runs.listed(tx, 10) == []


def test_after_a_run_everything_is_known(made: Callable[..., Site]) -> None:
    site = made()
    site.run("main")
    forecast = foreseen(site)
    assert (forecast.would_run, forecast.may_run, forecast.known) == (0, 0, 3)


def test_an_edited_helper_is_named(made: Callable[..., Site]) -> None:
    made().run("main")
    site = made(helpers=("FACTOR = 2", "FACTOR = 3"))
    assert told(foreseen(site)) == {
        "first": ("known", []),
        "second": ("run", [("code", "helpers:FACTOR")]),
        "third": ("depends", [("upstream", "second")]),
    }
    assert executed(site) == ["second", "third"]


def test_a_changed_parameter_is_told_with_both_values(made: Callable[..., Site]) -> None:
    site = made()
    site.run("main")
    assert foreseen(site, n=5).steps[0].because == [Reason("parameter", "n", "1", "5")]
    assert foreseen(site, seed=7).steps[0].because == [Reason("seed", "seed", "0", "7")]


def test_declared_files_and_variables_are_named(made: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = made()
    site.run("main")
    monkeypatch.setenv("RATE", "0.5")
    (site.root / "conf.txt").write_text("two")
    third = foreseen(site).steps[2]
    assert third.would == "run"
    assert {(each.part, each.name) for each in third.because} == {("environ", "RATE"), ("file", "conf.txt")}
    assert "0.5" not in str(third.because)


def test_the_nearest_former_computation_is_told_against(made: Callable[..., Site]) -> None:
    site = made()
    site.run("main", n=1)
    site.run("main", n=2)
    site.run("main", n=1, seed=3)
    first = foreseen(site, n=2, seed=3).steps[0]
    assert len(first.because) == 1


def test_a_changed_input_names_what_it_comes_from(made: Callable[..., Site]) -> None:
    made().run("main")
    site = made(project=("return n + seed", "return n + seed + 1"))
    site.controller.run(site.project.one_pipeline("main"), {})
    again = made(project=("return n + seed", "return n + seed + 1"), helpers=("FACTOR = 2", "FACTOR = 1"))
    assert told(foreseen(again))["second"] == ("run", [("code", "helpers:FACTOR")])


def test_a_branch_is_told_when_the_condition_is_known(made: Callable[..., Site]) -> None:
    site = made()
    assert told(foreseen(site, "branches"))["second"] == ("depends", [("upstream", "even")])
    site.run("branches")
    assert {name: would for name, (would, _) in told(foreseen(site, "branches")).items()} == {
        "first": "known", "even": "known", "second": "known", "third": "skipped"
    }  # fmt: skip


def test_a_map_over_what_a_step_gives_is_told_item_by_item_when_the_list_is_known(made: Callable[..., Site]) -> None:
    site = made()
    assert told(foreseen(site, "lists"))["second"] == ("depends", [("upstream", "numbers")])
    site.run("lists")
    edited = made(helpers=("FACTOR = 2", "FACTOR = 3"))
    assert told(foreseen(edited, "lists")) == {
        "numbers": ("known", []),
        "second[0]": ("run", [("code", "helpers:FACTOR")]),
        "second[1]": ("run", [("code", "helpers:FACTOR")]),
    }


def test_a_step_that_is_not_cached_always_runs(made: Callable[..., Site]) -> None:
    edit = ("@mulle.step\ndef first", "@mulle.step(cache=False)\ndef first")
    made(project=edit).run("main")
    assert told(foreseen(made(project=edit)))["first"] == ("run", [("uncached", "")])
