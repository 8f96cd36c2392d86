"""A step's log while it grows, and what the step used meanwhile: here, over HTTP, and on the page."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mulle import server
from mulle.pipelines.following import Following
from mulle.workspace import Workspace

PROJECT = """
import time
from pathlib import Path
import mulle

HERE = Path(__file__).parent


@mulle.step
def speaks() -> int:
    print("first")
    while not (HERE / "go").exists():
        time.sleep(0.01)
    print("second")
    print("third", end="")
    block = bytearray(50_000_000)
    end = time.monotonic() + 1.3
    while time.monotonic() < end:
        pass
    return len(block)


@mulle.pipeline
def main():
    return speaks()
"""


@pytest.fixture(params=["in-process", "process"])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "mulle.toml").write_text(f'[run]\nexecutor = "{request.param}"\n')
    with Workspace.create(tmp_path) as made:
        yield made


class Running:
    """A run under way in a thread, whose step has printed its first line."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self.results: list[Any] = []
        self._thread = threading.Thread(target=lambda: self.results.append(ws.run()))
        self._thread.start()
        self.step = ""
        end = time.monotonic() + 60
        while not self.step and time.monotonic() < end:
            for run in ws.runs.list(1):
                self.run = run.id
                self.step = next((each.id for each in ws.runs.steps(run.id) if list(ws.runs.logs(each.id))), "")
            time.sleep(0.01)

    def go(self) -> None:
        (self._ws.settings.root / "go").touch()

    def end(self) -> Any:
        self.go()
        self._thread.join(60)
        return self.results[0]


@pytest.mark.slow
def test_a_log_is_followed_until_its_step_is_over(ws: Workspace) -> None:
    running = Running(ws)
    lines = iter(ws.runs.logs(running.step, follow=True))
    assert next(lines).text == "first"
    running.go()
    assert [(line.number, line.text) for line in lines] == [(2, "second"), (3, "third")]
    assert running.end().status == "succeeded"


@pytest.mark.slow
def test_a_log_is_followed_over_http_and_on_the_page(ws: Workspace) -> None:
    running = Running(ws)
    timer = threading.Timer(0.5, running.go)
    with TestClient(server.app(ws), base_url="http://127.0.0.1:8300") as pages:
        assert [pages.get(path).status_code for path in ("/", "/runs", "/pipelines/main", f"/runs/{running.run}")] == [
            200
        ] * 4
        page = pages.get(f"/runs/{running.run}/logs/{running.step}").text
        followed = re.search('data-follow="(.*?)"', page)
        assert followed is not None
        assert "first" in page
        timer.start()
        events = pages.get(followed[1].replace("&amp;", "&")).text
        body = {"step_run": running.step, "follow": True}
        said = pages.post("/api/v1/runs.logs", json=body).text
    texts = [text for data in re.findall("event: lines\ndata: (.*)", events) for text in json.loads(data)]
    assert texts == ["second", "third"]
    assert events.endswith('event: end\ndata: ""\n\n')
    assert [json.loads(line)["text"] for line in said.splitlines() if line] == ["first", "second", "third"]
    running.end()


@pytest.mark.slow
def test_what_a_step_uses_is_sampled_and_drawn(ws: Workspace) -> None:
    running = Running(ws)
    result = running.end()
    (step,) = ws.runs.steps(result.id)
    assert len(step.samples) >= 2
    assert max(sample.cores for sample in step.samples) > 0.3
    assert max(sample.memory for sample in step.samples) > 50_000_000
    assert [sample.at for sample in step.samples] == sorted(sample.at for sample in step.samples)
    with TestClient(server.app(ws), base_url="http://127.0.0.1:8300") as pages:
        page = pages.get(f"/runs/{result.id}").text
        told = pages.post("/api/v1/runs.steps", json={"id": result.id}).json()
    assert 'id="uses"' in page
    assert told[0]["samples"][0][0] == step.samples[0].at


def test_polling_never_waits(tmp_path: Path) -> None:
    path = tmp_path / "log"
    over: list[bool] = []
    lines = Following(lambda: path if path.exists() else None, lambda: bool(over))
    assert lines.poll() == []
    path.write_bytes(b"one\ntw")
    assert [line.text for line in lines.poll() or ()] == ["one"]
    path.write_bytes(b"one\ntwo\r\n\xff")
    assert [line.text for line in lines.poll() or ()] == ["two"]
    over.append(True)
    assert [line.text for line in lines.poll() or ()] == ["\ufffd"]
    assert lines.poll() is None


def test_a_log_longer_than_one_reading_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(300_000)))
    assert sum(1 for _ in Following(lambda: path, lambda: True)) == 300_000
