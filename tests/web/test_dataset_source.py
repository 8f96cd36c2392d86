"""A dataset's page says where its source stands."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from mulle import server
from mulle.workspace import Workspace

PROJECT = """
import mulle

class Visit(mulle.Schema):
    n: int = mulle.column(minimum=0)

visits = mulle.dataset("visits", source=mulle.lines("visits.jsonl"), expect=Visit)
"""


def test_the_page_shows_the_source_and_what_is_held_back(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text("[project]\n")
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "visits.jsonl").write_text('{"n":1}\n{"n":-1}\n')
    with Workspace.create(tmp_path) as workspace:
        workspace.collect("visits")
        with TestClient(server.app(workspace), base_url="http://127.0.0.1:8300") as client:
            page = client.get("/datasets/visits").text
            aside = client.get("/datasets/visits.quarantine").text
    assert "visits.jsonl" in page
    assert "line 2" in page
    assert '<a href="/datasets/visits.quarantine">1</a>' in page
    assert "1 held back" in aside
