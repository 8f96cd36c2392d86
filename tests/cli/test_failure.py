"""Errors become messages with cause and cure, and exit codes; never a traceback unless asked for."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from tests.cli.said import Mulle

from mulle.cli.failure import explain
from mulle.errors import CatalogError, ProjectError, unknown


def test_a_wrong_call_exits_with_2() -> None:
    assert explain(ProjectError("which pipeline?", cause="two", cure="name one")).code == 2


def test_a_failure_exits_with_1() -> None:
    assert explain(CatalogError("newer", cure="pip install -U mulle")).code == 1


def test_an_unknown_name_keeps_its_suggestion() -> None:
    failure = explain(unknown("deployment", "dely", ["delay"], cure="mulle deployments list"))
    assert failure.cause == "did you mean 'delay'?"


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "disk is full"), (errno.EADDRINUSE, "port"), (errno.EACCES, "not allowed")]
)
def test_what_the_system_refuses_is_told_in_plain_words(number: int, word: str) -> None:
    failure = explain(OSError(number, os.strerror(number), "/somewhere"))
    assert word in failure.error
    assert failure.cure


def test_an_error_that_nobody_meant_is_not_blamed_on_the_user() -> None:
    assert "fault in mulle" in explain(ZeroDivisionError("division by zero")).cause


def test_json_has_the_three_fields() -> None:
    failure = explain(click.UsageError("No such option: --x"))
    assert set(json.loads(failure.json())) == {"error", "cause", "cure"}


def test_no_workspace_here_says_how_to_make_one(mulle: Mulle, tmp_path: Path) -> None:
    said = mulle("-C", tmp_path, "runs", "list", "--json")
    assert said.code == 2
    assert "mulle init" in said.json["cure"]


def test_a_malformed_setting_names_its_line(mulle: Mulle, tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "x\n')
    said = mulle("-C", tmp_path, "runs", "list")
    assert said.code == 2
    assert "line 2" in said.err
    assert "Traceback" not in said.err


def test_debug_shows_the_traceback(mulle: Mulle, tmp_path: Path) -> None:
    assert "Traceback" in mulle("--debug", "-C", tmp_path, "runs", "list").err


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    waiting = (
        "import time; from mulle.cli import main; main.cli.main = lambda **_: (print('up', flush=True), time.sleep(60))"
    )
    program = f"{waiting}; main.main(['run'])"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=20)
    assert (child.returncode, error.strip()) == (130, "stopped")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    talking = "main.cli.main = lambda **_: [output.say('x' * 999) for _ in range(9999)]"
    program = f"from mulle.cli import main, output\n{talking}\nmain.main(['runs'])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        error = child.stderr.read()
        deadline = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (child.returncode, error) == (141, b"")
