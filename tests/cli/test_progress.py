"""How far work has come is told on standard error, and never to programs."""

from __future__ import annotations

import pytest

from mulle.cli.progress import progress


def test_in_a_pipe_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=False) as shown:
        for done in range(3):
            shown.step("replaying never", done, 3)
        shown.step("writing the report")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "replaying never\nwriting the report\n")


def test_programs_hear_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=True) as shown:
        shown.step("replaying never", 1, 3)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(quiet=False) as shown:
        shown.step("replaying never", 1, 3)
    assert capsys.readouterr().out == ""
