"""Command lines as people type them, checked against the commands that exist: nothing is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from mulle.cli.main import cli

ROOT = Path(__file__).parent.parent.parent
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INSIDE = re.compile(r"\$\((mulle [^|)]*)")


def blocks(page: Path, language: str = "sh") -> list[str]:
    """The code blocks of a page in a language."""
    return [body for found, body in _FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def lines(text: str) -> Iterator[str]:
    """Each call of mulle in a block of shell."""
    for line in text.splitlines():
        if line.startswith("mulle "):
            yield line.partition("|")[0]
        yield from (inside.strip() for inside in _INSIDE.findall(line))


def problem(line: str) -> str:
    """What is wrong with a command line; empty when nothing is."""
    words = shlex.split(line, comments=True)[1:]
    try:
        context = cli.make_context("mulle", words)
        command: click.Command = cli
        while isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            if command.invoke_without_command and not rest:
                return ""
            name, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command, context = found, found.make_context(name, rest, parent=context)
    except click.exceptions.NoArgsIsHelpError:
        return ""
    except click.ClickException as error:
        return f"{line}: {error.format_message()}"
    except click.exceptions.Exit:
        return ""
    return ""
