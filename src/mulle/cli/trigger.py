"""`mulle trigger`: what starts pipelines."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option


@click.group(
    cls=Group,
    examples=("mulle trigger list", 'mulle trigger fire delay --reason "new prices"', "mulle trigger history"),
)
def trigger() -> None:
    """What starts pipelines, and what started them."""


@trigger.command("list", verbs=("triggers.list",), examples=("mulle trigger list",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every trigger: its pipeline, its rules, and when it last fired."""
    columns = ["pipeline", "name", "on", "cooldown", "fired", "next"]
    found = list(state.ws.triggers.list())
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="the project defines no trigger"))


@trigger.command("fire", verbs=("triggers.fire",), examples=('mulle trigger fire delay --reason "new prices"',))
@click.argument("pipeline")
@json_option
@reason_option
@pass_state
def fire(state: State, pipeline: str, as_json: bool) -> None:
    """Start a pipeline by demand; the next turn of the wheel runs it."""
    with progress(quiet=as_json) as shown:
        shown.step(f"firing {pipeline}")
        found = state.ws.triggers.fire(pipeline, reason=state.reason)
    output.emit(found, as_json=as_json, show=lambda made: output.say(f"fired: {output.cell(made)}"))


@trigger.command("history", verbs=("triggers.history",), examples=("mulle trigger history --limit 5",))
@limit_option(20)
@json_option
@pass_state
def history(state: State, limit: int, as_json: bool) -> None:
    """What fired, when, on what evidence, and the run it caused."""
    found = list(state.ws.triggers.history(limit=limit))
    columns = ["at", "pipeline", "rule", "evidence", "run", "status"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="nothing has fired yet"))
