"""`mulle trigger`: what starts pipelines."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option

_LIST = ["pipeline", "fired", "next"]


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
    columns = ["pipeline", "on", "cooldown", "fired", "next"]
    found = list(state.ws.triggers.list())
    shown = [{"on": _causes(one), "cooldown": output.span(one.cooldown)} | output.parts(one, *_LIST) for one in found]
    empty = "the project defines no trigger"
    output.emit(found, as_json=as_json, show=lambda _: output.table(shown, columns, empty=empty))


def _causes(one: Any) -> str:
    """What starts a pipeline, in words: "schedule 0 4 1 * *, new_data flights 60000"."""
    return ", ".join(" ".join(output.cell(value) for value in cause.values()) for cause in one.on)


@trigger.command("fire", verbs=("triggers.fire",), examples=('mulle trigger fire delay --reason "new prices"',))
@click.argument("pipeline")
@json_option
@reason_option
@pass_state
def fire(state: State, pipeline: str, as_json: bool) -> None:
    """Start a pipeline by demand; the next turn of the wheel runs it."""
    found = state.ws.triggers.fire(pipeline, reason=state.reason)
    output.emit(found, as_json=as_json, show=lambda made: output.say(f"{made.pipeline} starts with the next turn"))


@trigger.command("history", verbs=("triggers.history",), examples=("mulle trigger history --limit 5",))
@click.option("--pipeline", default="", help="Only starts of this pipeline.")
@limit_option(20)
@json_option
@pass_state
def history(state: State, pipeline: str, limit: int, as_json: bool) -> None:
    """What fired, when, on what evidence, and the run it caused."""
    found = list(state.ws.triggers.history(pipeline, limit=limit))
    columns = ["number", "at", "pipeline", "rule", "status", "run", "error"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="nothing has fired yet"))
