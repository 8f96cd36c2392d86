"""`mulle features`: feature views, offline and online."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.progress import progress
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state


@click.group(cls=Group, examples=("mulle features list", "mulle features online origin_weather --entity origin=JFK"))
def features() -> None:
    """Feature views, offline and online."""


@features.command("list", verbs=("features.list",), examples=("mulle features list",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every feature view: entity, source, how long a value stays good."""
    columns = ["name", "entity", "source", "ttl", "available_after", "materialized"]
    found = list(state.ws.features.list())
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="the project defines no feature view"))


@features.command(
    "materialize", verbs=("features.materialize",), examples=("mulle features materialize origin_weather",)
)
@click.argument("view")
@click.option("--until", default=None, metavar="INSTANT", help="Values known by then; now by default.")
@json_option
@pass_state
def materialize(state: State, view: str, until: str | None, as_json: bool) -> None:
    """Bring the online store up to date."""
    with progress(quiet=as_json) as shown:
        shown.step(f"materialising {view}")
        found = state.ws.features.materialize(view, until)
    output.emit(found, as_json=as_json, show=lambda made: output.say(output.cell(made)))


@features.command(
    "online", verbs=("features.online",), examples=("mulle features online origin_weather --entity origin=JFK",)
)
@click.argument("views", nargs=-1, required=True)
@click.option("--entity", "-e", "entity", multiple=True, required=True, metavar="NAME=VALUE", help="Whose values.")
@json_option
@pass_state
def online(state: State, views: tuple[str, ...], entity: tuple[str, ...], as_json: bool) -> None:
    """The values that a request for an entity would get now."""
    (found,) = state.ws.features.online(list(views), [dict(parameter(text) for text in entity)])
    output.emit(found, as_json=as_json, show=output.fields)


@features.command("check", verbs=("features.check",), examples=("mulle features check origin_recent_delay",))
@click.argument("view")
@json_option
@pass_state
def check(state: State, view: str, as_json: bool) -> int:
    """Look for a leak: values must not change when later rows are not there."""
    with progress(quiet=as_json) as shown:
        shown.step(f"recomputing {view} on shortened sources")
        found = state.ws.features.check(view)
    leaks = output.part(found, "leaks") or []
    output.emit(found, as_json=as_json, show=lambda _: output.table(leaks, ["column", "at", "entity"], empty="no leak"))
    return 1 if leaks else 0
