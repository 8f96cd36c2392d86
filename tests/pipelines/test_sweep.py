"""Sweeps: a run for each combination of values, what they share computed once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mulle.errors import StepFailedError, UnknownNameError, UsageError
from mulle.workspace import Workspace

PROJECT = """
import mulle

@mulle.step
def load(n: int) -> int:
    return n

@mulle.step
def fit(n: int, depth: int, rate: float = 0.1) -> int:
    mulle.log_metric("score", depth * rate)
    return n // depth

@mulle.pipeline
def main(n: int = 100, depth: int = 1, rate: float = 0.1):
    \"\"\"Fits.\"\"\"
    return {"fitted": fit(load(n), depth, rate)}
"""


@pytest.fixture(params=["in-process", "process"])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "mulle.toml").write_text(f'[project]\nname = "p"\n[run]\nexecutor = "{request.param}"\nworkers = 2\n')
    (tmp_path / "project.py").write_text(PROJECT)
    with Workspace.open(tmp_path) as opened:
        yield opened


def test_there_is_a_run_for_each_combination(ws: Workspace) -> None:
    told: list[tuple[int, int]] = []
    made = ws.sweep(
        "main", {"depth": [1, 2], "rate": [0.5, "0.25"]}, on_run=lambda _, done, total: told.append((done, total))
    )
    assert [(each.values["depth"], each.values["rate"], each.outputs["fitted"]) for each in made.runs] == [
        (1, 0.5, 100), (1, "0.25", 100), (2, 0.5, 50), (2, "0.25", 50)
    ]  # fmt: skip
    assert [each.metrics["score"] for each in made.runs] == [0.5, 0.25, 1.0, 0.5]
    assert sum(each.steps_executed for each in made.runs) == 4 + 1
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_sweep_is_found_again(ws: Workspace) -> None:
    made = ws.sweep("main", {"depth": [1, 2]}, {"n": 10})
    assert ws.pipelines.swept(made.id[:-2]) == made
    assert ws.pipelines.sweeps() == (made,)
    assert (made.axes, made.params) == ({"depth": [1, 2]}, {"n": 10})
    with pytest.raises(UnknownNameError):
        ws.pipelines.swept("nothing")


def test_a_run_that_fails_leaves_the_others(ws: Workspace) -> None:
    made = ws.sweep("main", {"depth": [0, 1]})
    assert [each.status for each in made.runs] == ["failed", "succeeded"]
    assert "ZeroDivisionError" in made.runs[0].error


@pytest.mark.parametrize(
    ("axes", "params", "message"),
    [
        ({}, {}, "a sweep of 0 runs"),
        ({"depth": []}, {}, "nothing to sweep 'depth' over"),
        ({"depth": "12"}, {}, "nothing to sweep 'depth' over"),
        ({"depth": [1]}, {"depth": 2}, "swept and given"),
        ({"depth": [1, "many"]}, {}, "parameter 'depth' of main"),
        ({"depth": range(200), "rate": range(200)}, {}, "a sweep of 40000 runs"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(
    ws: Workspace, axes: dict[str, Any], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ws.sweep("main", axes, params)
    assert ws.runs.list() == ()


def test_pipelines_are_listed_with_their_parameters(ws: Workspace) -> None:
    (found,) = ws.pipelines.list()
    assert (found.name, found.about) == ("main", "Fits.")
    assert [(each.name, each.type, each.default) for each in found.parameters] == [
        ("n", "int", 100), ("depth", "int", 1), ("rate", "float", 0.1)
    ]  # fmt: skip


def test_a_run_and_its_plan_agree(ws: Workspace) -> None:
    assert ws.plan("main").would_run == 2
    ws.run("main").check()
    assert (ws.plan("main").known, ws.plan("main", {"depth": "7"}).would_run) == (2, 1)
    with pytest.raises(StepFailedError):
        ws.pipelines.run("main", {"depth": 0}).check()
