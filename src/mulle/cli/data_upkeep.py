"""`mulle data verify`: whether everything that is kept is what it was."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state


@click.command("verify", cls=Command, verbs=("data.verify",), examples=("mulle data verify --json",))
@json_option
@pass_state
def verify(state: State, as_json: bool) -> int:
    """Read every object of every version and compare it with its digest; fails when one is damaged."""
    with progress(quiet=as_json) as shown:
        shown.step("reading every object")
        found = state.ws.data.verify()
    output.emit(found, as_json=as_json, show=_show_damage)
    return FAILURE if found.damaged else 0


def _show_damage(found: Any) -> None:
    output.table(found.damaged, ["ref", "path", "digest", "problem"], empty="nothing is damaged")
    output.say(f"{found.versions} versions, {found.objects} objects read")
