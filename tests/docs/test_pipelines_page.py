"""The page on pipelines shows a project that runs, and whose plan says what the page says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks
from tests.pipelines.drive import opened

PAGE = ROOT / "docs" / "en" / "how-to" / "write-pipelines.md"


def test_the_project_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "project.py"
    text = blocks(PAGE, "python")[0]
    file.write_text(text)
    told: list[object] = []
    try:
        for edited in (text, text.replace("return row * scale", "return row * scale * 1.5")):
            file.write_text(edited)
            sys.modules.pop("project", None)
            with opened(tmp_path) as site:
                main = site.project.one_pipeline("main")
                plan = site.controller.foresee(main)
                told.append([(step.name, step.would) for step in plan.steps][:3])
                result = site.run("main").check()
                assert site.controller.value(result.outputs["result"]) == main()
                grown = site.run("grow").check()
                assert site.controller.value(grown.outputs["result"]) == site.project.one_pipeline("grow")() == 64
    finally:
        sys.modules.pop("project", None)
    assert told[1] == [("prepare/numbers", "known"), ("prepare/split", "known"), ("measure[0]", "run")]
