"""`mulle pipelines`: which there are, and what each takes."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, pass_state


@click.group(cls=Group, examples=("mulle pipelines list", "mulle pipelines show delay"))
def pipelines() -> None:
    """The project's pipelines and their parameters."""


@pipelines.command("list", verbs=("pipelines.list",), examples=("mulle pipelines list --json",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """The pipelines that the project defines."""
    found = state.ws.pipelines.list()
    rows = [{"name": each.name, "about": each.about, "parameters": _parameters(each)} for each in found]
    shown = output.rows(["name", "parameters", "about"], empty="the project defines no pipeline")
    output.emit(found, as_json=as_json, show=lambda _: shown(rows))


@pipelines.command("show", verbs=("pipelines.show",), examples=("mulle pipelines show delay",))
@click.argument("pipeline", default="")
@json_option
@pass_state
def show(state: State, pipeline: str, as_json: bool) -> None:
    """One pipeline: what its parameters are, and what they are when they are not given."""
    output.emit(state.ws.pipelines.show(pipeline), as_json=as_json, show=_show)


def _show(found: Any) -> None:
    output.fields(output.parts(found, "name", "about"))
    output.say()
    rows = [{**output.parts(each, "name", "type", "default"), "required": each.required} for each in found.parameters]
    output.table(rows, ["name", "type", "default", "required"], empty="no parameters")


def _parameters(found: Any) -> str:
    return ", ".join(each.name if each.required else f"{each.name}={each.default}" for each in found.parameters)
