"""How far long work has come, on standard error: a bar on a terminal, a line a change elsewhere, none with `--json`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click


class Progress(Protocol):
    """Where work reports to."""

    def step(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """Say what is being done now, and how much of how much is done where that is known."""


class Silent:
    """Says nothing."""

    def step(self, text: str, done: float | None = None, total: float | None = None) -> None:
        pass


class Lines:
    """A line whenever what is being done changes: for logs and pipes."""

    def __init__(self) -> None:
        self._last = ""

    def step(self, text: str, done: float | None = None, total: float | None = None) -> None:  # noqa: ARG002 - lines
        if text != self._last:
            click.echo(text, err=True)
        self._last = text


class Bar:
    """A bar drawn by Rich."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._task = drawn.add_task("", total=None)

    def step(self, text: str, done: float | None = None, total: float | None = None) -> None:
        self._drawn.update(self._task, description=text, completed=done, total=total)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Where the work in the block reports to; the bar disappears when it is over."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        # Rich takes a twentieth of a second to import; only a person at a terminal pays for it.
        from rich.console import Console  # noqa: PLC0415 - start-up time
        from rich.progress import (  # noqa: PLC0415 - start-up time
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Drawn  # noqa: PLC0415 - start-up time

        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        ]
        with Drawn(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as drawn:
            yield Bar(drawn)
