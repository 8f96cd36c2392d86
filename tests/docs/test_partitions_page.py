"""The page on partitions shows a project that runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.docs.typed import ROOT, blocks
from tests.pipelines.drive import opened

PAGE = ROOT / "docs" / "en" / "how-to" / "work-by-partition.md"


def test_the_project_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "project.py").write_text("\n".join(blocks(PAGE, "python")))
    rides = pl.DataFrame({"ride": [1, 2, 3], "at": [datetime(2024, 5, day, 9, tzinfo=UTC) for day in (1, 1, 2)]})
    try:
        with opened(tmp_path) as site:
            site.data.commit("rides", rides)
            site.run().check()
            late = pl.DataFrame({"ride": [4], "at": [datetime(2024, 5, 2, 8, tzinfo=UTC)]})
            site.data.commit("rides", late, append=True)
            again = site.run().check()
            found = site.data.read("daily")["rides"].to_list()
    finally:
        sys.modules.pop("project", None)
    assert [step.name for step in again.steps if step.status == "executed"] == [
        "summarise[on=2024-05-02]",
        "union",
        "commit-daily",
    ]
    assert found == [2, 2]
