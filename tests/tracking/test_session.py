"""Runs without a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

import mulle
from mulle.pipelines import RunService


@pytest.fixture
def workspace(tmp_path: Path) -> mulle.Workspace:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "plain"\n')
    return mulle.Workspace.create(tmp_path)


def test_a_tracked_run_keeps_its_parameters_and_metrics(workspace: mulle.Workspace, tmp_path: Path) -> None:
    with workspace, mulle.start_run("trying", params={"depth": 3}, path=tmp_path) as run_id:
        mulle.log_metric("loss", 0.5)
        mulle.log_metric("loss", 0.4)
    with mulle.Workspace.open(tmp_path) as again:
        run = RunService(catalog=again.catalog, workspace=again.root).show(run_id)
    assert (run.status, run.experiment, run.params, run.metrics) == ("succeeded", "trying", {"depth": 3}, {"loss": 0.4})


def test_an_exception_makes_it_a_failed_run(workspace: mulle.Workspace, tmp_path: Path) -> None:
    with workspace, pytest.raises(ValueError, match="boom"), mulle.start_run(path=tmp_path) as run_id:
        raise ValueError("boom")
    with mulle.Workspace.open(tmp_path) as again:
        run = RunService(catalog=again.catalog, workspace=again.root).show(run_id)
    assert (run.status, run.error) == ("failed", "ValueError: boom")
