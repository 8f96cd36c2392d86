from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient
from tests.web.conftest import BASE

from mulle import server
from mulle.delivery.backfill.model import Request
from mulle.workspace import Workspace

PROJECT = """
import mulle


@mulle.step
def even(day: str) -> str:
    if day.startswith("2013-01-03"):
        raise ValueError("no such day")
    return day


@mulle.pipeline
def daily(as_of: str):
    return even(as_of)
"""


def test_a_pipelines_page_shows_the_windows_of_its_backfills(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "mulle.toml").write_text('[project]\nname = "days"\n[run]\nexecutor = "in-process"\n')
    start, end = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 4, tzinfo=UTC)
    with Workspace.open(tmp_path) as ws:
        made = ws.backfills.run(Request(pipeline="daily", start=start, end=end, every="1d"))
        page = TestClient(server.app(ws), base_url=BASE).get("/pipelines/daily").text
    assert [window.key in page for window in made.windows] == [True] * 3
    assert f'href="/runs/{made.windows[0].run}"' in page
    assert "no such day" in page
