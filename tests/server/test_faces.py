from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.server import imported as counted
from tests.web.shop import project

from mulle.client import Client
from mulle.errors import AccessError, UsageError
from mulle.server import listen


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    project(tmp_path, days=2)
    command = [sys.executable, "-m", "mulle.cli", "-C", str(tmp_path), "server", "--port", "0", "--no-turn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split()[3], process
        process.kill()


def test_one_server_has_pages_and_verbs_and_stops_when_it_is_told_to(
    running: tuple[str, subprocess.Popen[str]],
) -> None:
    url, process = running
    page = urllib.request.urlopen(url).read().decode()
    assert "<title>Home · mulle</title>" in page
    assert list(Client(url).data.list()) == []
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) in {0, 130, -2}


def test_the_pages_are_guarded_too(running: tuple[str, subprocess.Popen[str]]) -> None:
    request = urllib.request.Request(running[0], headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403
    refused.value.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_nothing_listens_on_other_than_loopback(host: str) -> None:
    with pytest.raises(AccessError, match="does not listen"):
        listen(host, 0)


def test_a_port_in_use_is_said_so() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(UsageError, match="cannot be used"):
        listen("127.0.0.1", first.getsockname()[1])


Started = Callable[..., tuple[str, subprocess.Popen[str]]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """`started()` runs `mulle server` for the project in `tmp_path`: its address and its process."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> tuple[str, subprocess.Popen[str]]:
        command = [sys.executable, "-m", "mulle.cli", "-C", str(tmp_path), "server", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split()[3], process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def page(url: str) -> str:
    return str(urllib.request.urlopen(url).read().decode())


def test_the_first_page_does_not_wait_for_the_project(tmp_path: Path, started: Started) -> None:
    counted.project(tmp_path, importing=600)
    url, _ = started()
    assert "the project is being imported" in page(url)
    assert counted.importers(tmp_path) == []


def test_the_server_never_imports_the_project(tmp_path: Path, started: Started) -> None:
    counted.project(tmp_path)
    url, process = started()
    client = Client(url)
    client.triggers.fire("counting", reason="asked over HTTP")
    counted.eventually(lambda: [one for one in client.triggers.history() if one.status == "succeeded"])
    ref = client.data.list()[0].name
    answers = [client.validation.check(ref), client.features.list(), client.monitors.list(), client.rollouts.list()]
    answers += [
        page(url + path) for path in ("/runs", "/pipelines/counting", f"/datasets/{ref}", "/timeline", "/audit")
    ]
    assert all(answer is not None for answer in answers)
    (only,) = counted.importers(tmp_path)
    assert only != process.pid


def test_a_project_that_does_not_import_is_said_on_every_page(tmp_path: Path, started: Started) -> None:
    counted.project(tmp_path)
    (tmp_path / "project.py").write_text("import mulle\n\nrate = 1 / 0\n")
    url, _ = started()
    counted.eventually(lambda: "the project does not import: ZeroDivisionError" in page(url))
    told = page(url + "/runs")
    assert "project.py:3: rate = 1 / 0" in told
    assert "mend that line" in told


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_projects_process_ends_with_the_server(tmp_path: Path, started: Started, how: signal.Signals) -> None:
    counted.project(tmp_path)
    _, process = started()
    (other,) = counted.eventually(lambda: counted.importers(tmp_path))
    process.send_signal(how)
    process.wait(timeout=120)
    counted.eventually(lambda: not counted.alive(other), seconds=10)
