"""The page on tuning shows a project that can be tuned."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks

from mulle.workspace import Workspace

PAGE = ROOT / "docs" / "en" / "how-to" / "tune-a-pipeline.md"


def test_the_project_of_the_page_is_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    declared = 'mulle.study("line", line, {"rate": "log(0.01,1)"}, metric="error")\n'
    (tmp_path / "mulle.toml").write_text('[project]\nname = "p"\n\n[run]\nexecutor = "in-process"\n')
    (tmp_path / "project.py").write_text("\n".join([*blocks(PAGE, "python"), declared]))
    try:
        with Workspace.open(tmp_path) as ws:
            found = ws.tune("line", {"rate": "log(0.01,1)", "start": "uniform(-3,3)"}, metric="error", trials=12)
            assert (
                ws.tune(study="line-2", space={"rate": "log(0.01,1)"}, metric="error", trials=2).study.best is not None
            )
    finally:
        sys.modules.pop("project", None)
    assert found.study.question.directions == ["minimize"]
    assert found.study.best is not None
    assert found.study.best.values[0] < 0.02
    assert found.study.counts["pruned"] > 0
