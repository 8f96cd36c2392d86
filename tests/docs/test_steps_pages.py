"""The pages on checkpoints and on commands show projects that run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks
from tests.pipelines.drive import opened

PAGES = ROOT / "docs" / "en" / "how-to"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("project", None)


def test_the_training_that_is_checkpointed_runs(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text("\n".join(blocks(PAGES / "checkpoint-a-training.md", "python")))
    with opened(tmp_path) as site:
        result = site.run(epochs=3).check()
        assert site.controller.value(result.outputs["result"]).shape == (8,)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: sh scripts/install_r.sh")
def test_the_command_of_r_runs(tmp_path: Path) -> None:
    page = PAGES / "run-steps-in-any-language.md"
    (tmp_path / "project.py").write_text(blocks(page, "python")[0])
    (tmp_path / "fit.R").write_text(blocks(page, "r")[0])
    with opened(tmp_path) as site:
        assert site.controller.value(site.run().check().outputs["result"]) > 0
