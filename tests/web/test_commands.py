from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

import click
import pytest

from mulle import web
from mulle.cli.main import cli

COMMAND = re.compile(r'cli\(t, "(mulle [^"]*)"')
WRITTEN = sorted({
    html.unescape(found)
    for path in (Path(web.__file__).parent / "templates").glob("*.html")
    for found in COMMAND.findall(path.read_text())
})  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_every_command_that_a_page_shows_is_a_command(written: str) -> None:
    command: click.Command = cli
    context = click.Context(cli)
    words = shlex.split(written)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, written
        command = found
    if isinstance(command, click.Group):
        command = command.get_command(context, "run") or command
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in known] == []
