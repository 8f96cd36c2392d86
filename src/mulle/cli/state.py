"""What one call of the command line knows: where it runs, and its workspace, opened when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mulle.workspace import Workspace


F = TypeVar("F", bound=Callable[..., Any])


class State:
    """The global options and the workspace they lead to."""

    def __init__(self, directory: Path, *, debug: bool, stack: ExitStack) -> None:
        self.directory = directory
        self.debug = debug
        self.reason = ""
        self._stack = stack

    @cached_property
    def ws(self) -> Workspace:
        """The workspace of this directory; changes made through it are recorded as the calling user's."""
        # The planes cost start-up time that `--help` and `--version` must not pay.
        from mulle.access import principal  # noqa: PLC0415 - start-up time
        from mulle.verbs import acting  # noqa: PLC0415 - start-up time
        from mulle.workspace import Workspace  # noqa: PLC0415 - start-up time

        workspace = Workspace.open(self.directory)
        self._stack.callback(workspace.close)
        self._stack.enter_context(acting(actor=principal(), reason=self.reason or None))
        return workspace

    @property
    def begun(self) -> Workspace:
        """The workspace; where the directory is in no project, one is made there for its data, and that is told."""
        if "ws" not in self.__dict__:
            from mulle.workspace.begin import begin  # noqa: PLC0415 - start-up time

            root = begin(self.directory)
            if root is not None:
                click.echo(f"made a workspace in {root} (mulle.toml and .mulle/)", err=True)
        return self.ws


pass_state = click.make_pass_decorator(State)


def _remember_reason(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    state = ctx.find_object(State)
    if state is not None:
        state.reason = value
    return value


def json_option(function: F) -> F:
    """`--json`: one line of JSON on standard output instead of text for people."""
    return click.option("--json", "as_json", is_flag=True, help="Answer with JSON on one line, for programs.")(function)


def reason_option(function: F) -> F:
    """`--reason TEXT`: why the change is made; it goes to the ledger."""
    return click.option(
        "--reason", default="", callback=_remember_reason, expose_value=False, metavar="TEXT",
        help="Why you do it; kept in the ledger.",
    )(function)  # fmt: skip


def limit_option(default: int) -> Callable[[F], F]:
    """`--limit N`, at least one."""
    return click.option(
        "--limit", default=default, show_default=True, type=click.IntRange(min=1), help="At most this many."
    )
