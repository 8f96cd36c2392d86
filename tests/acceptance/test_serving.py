"""An endpoint from the prompt: swapped and rolled back under load, and every answer explained afterwards."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance.prompt import must

from mulle.workspace import Workspace

pytestmark = pytest.mark.slow


def test_swaps_under_load_fail_no_request_and_lose_no_answer(built: Path) -> None:
    command = [sys.executable, "-m", "mulle.cli", "-C", str(built), "serve", "front", "--port", "0", "--json"]
    serving = subprocess.Popen(command, stdout=-1, stderr=-1, text=True)
    try:
        assert serving.stdout is not None
        where = json.loads(serving.stdout.readline())["url"]
        stop = threading.Event()
        answers: list[tuple[str, int]] = []
        failures: list[str] = []
        callers = [threading.Thread(target=call, args=(where, stop, answers, failures)) for _ in range(4)]
        for caller in callers:
            caller.start()
        must(built, "deploy", "front", "--version", "1", "--reason", "back to January")
        must(built, "deploy", "front", "--version", "2", "--reason", "and on again")
        must(built, "rollback", "front", "--reason", "too many umbrellas")
        time.sleep(1)
        stop.set()
        for caller in callers:
            caller.join(30)
    finally:
        serving.send_signal(signal.SIGINT)
        _, said = serving.communicate(timeout=30)
    assert (serving.returncode, said.strip()) == (130, "stopped")
    assert failures == []
    assert {revision for _, revision in answers} == {1, 2}
    assert answers[-1][1] == 1
    with Workspace.open(built) as ws:
        ws.deploy("front", 2)
        logged = ws.predictions.log.scan("front", columns=["id", "revision"])
        assert set(answers) <= set(logged.select("id", "revision").iter_rows())
        for identity, revision in answers[:: len(answers) // 20]:
            assert ws.lineage.why(f"prediction:{identity}").edges[0].target == f"revision:front/{revision}"


def call(where: str, stop: threading.Event, answers: list[tuple[str, int]], failures: list[str]) -> None:
    connection = http.client.HTTPConnection(str(urlsplit(where).hostname), urlsplit(where).port or 80, timeout=20)
    while not stop.is_set():
        try:
            connection.request("POST", "/predict/front", json.dumps({"rows": [{"shop": "park", "rain": 1.5}]}))
            response = connection.getresponse()
            told = json.loads(response.read())
            if response.status == 200:
                answers.append((told["predictions"][0]["id"], told["predictions"][0]["revision"]))
            else:
                failures.append(str(told))
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
            connection.close()
    connection.close()
