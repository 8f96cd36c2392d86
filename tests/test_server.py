from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.web.shop import START, project

from mulle.client import Client
from mulle.clock import VirtualClock
from mulle.errors import AccessError, UsageError
from mulle.server import keep_turning, listen
from mulle.workspace import Workspace


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
    assert process.wait(timeout=20) in {0, 130, -2}


def test_the_pages_are_guarded_too(running: tuple[str, subprocess.Popen[str]]) -> None:
    request = urllib.request.Request(running[0], headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403
    refused.value.close()


def test_the_wheel_keeps_turning_until_it_is_told_to_stop(tmp_path: Path) -> None:
    project(tmp_path, days=2)
    stopping = threading.Event()
    with Workspace.create(tmp_path, clock=VirtualClock(START + timedelta(days=2))) as workspace:
        wheel = threading.Thread(target=keep_turning, args=(workspace, stopping))
        wheel.start()
        while not workspace.data.list():
            time.sleep(0.05)
        stopping.set()
        wheel.join(timeout=20)
        assert not wheel.is_alive()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_nothing_listens_on_other_than_loopback(host: str) -> None:
    with pytest.raises(AccessError, match="does not listen"):
        listen(host, 0)


def test_a_port_in_use_is_said_so() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(UsageError, match="cannot be used"):
        listen("127.0.0.1", first.getsockname()[1])
