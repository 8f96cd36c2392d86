"""Pipelines over HTTP: listed, planned, run and swept by the project's process, which the server asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server_process import serving

from mulle.client import Client
from mulle.errors import UnknownNameError, UsageError

PROJECT = """
import mulle

@mulle.step
def half(n: int) -> float:
    return n / 2

@mulle.pipeline
def main(n: int = 4):
    return half(n)
"""


@pytest.mark.slow
def test_a_pipeline_is_planned_run_and_swept_from_another_machine(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT)
    with serving(tmp_path) as url:
        there = Client(url).pipelines
        assert [one.name for one in there.list()] == ["main"]
        assert [step.would for step in there.plan("main").steps] == ["run"]
        assert there.run("main", {"n": "6"}).check().steps_executed == 1
        planned = there.plan("main", {"n": 6})
        assert (planned.known, planned.would_run) == (1, 0)
        made = there.sweep("main", {"n": [6, 8]})
        assert [(one.outputs["result"], one.steps_executed) for one in made.runs] == [(3.0, 0), (4.0, 1)]
        assert there.swept(made.id) == made
        with pytest.raises(UsageError, match="parameter 'n' of main"):
            there.plan("main", {"n": "many"})
        with pytest.raises(UnknownNameError, match="unknown pipeline 'nothing'"):
            there.run("nothing")
