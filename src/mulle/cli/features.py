"""`mulle features`: feature views, offline and online."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.progress import progress
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state
from mulle.types import instant

_SPANS = ("ttl", "available_after")


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
    shown = [output.parts(one, *columns) | {name: output.span(getattr(one, name)) for name in _SPANS} for one in found]
    empty = "the project defines no feature view"
    output.emit(found, as_json=as_json, show=lambda _: output.table(shown, columns, empty=empty))


@features.command("show", verbs=("features.show",), examples=("mulle features show origin_weather",))
@click.argument("view")
@json_option
@pass_state
def show(state: State, view: str, as_json: bool) -> None:
    """One feature view."""
    paths = ["name", "doc", "entity", "source", "ttl", "available_after", "lookback", "withheld", "materialized"]
    found = state.ws.features.show(view)
    spans = {name: output.span(getattr(found, name)) for name in _SPANS}
    output.emit(found, as_json=as_json, show=lambda _: output.fields(output.parts(found, *paths) | spans))


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
        found = state.ws.features.materialize(view, instant(until) if until else None)
    paths = ["view", "version", "since", "until", "rows:entities"]
    output.emit(found, as_json=as_json, show=lambda _: output.fields(output.parts(found, *paths)))


@features.command(
    "online", verbs=("features.online",), examples=("mulle features online origin_weather --entity origin=JFK",)
)
@click.argument("views", nargs=-1, required=True)
@click.option("--entity", "-e", "entity", multiple=True, required=True, metavar="NAME=VALUE", help="Whose values.")
@json_option
@pass_state
def online(state: State, views: tuple[str, ...], entity: tuple[str, ...], as_json: bool) -> None:
    """The values that a request for an entity would get now."""
    (found,) = state.ws.features.online(views, (dict(parameter(text) for text in entity),))
    missing = {"missing": found.missing}
    output.emit(found, as_json=as_json, show=lambda _: output.fields(found.features | missing))


@features.command("check", verbs=("features.check",), examples=("mulle features check origin_recent_delay",))
@click.argument("view")
@json_option
@pass_state
def check(state: State, view: str, as_json: bool) -> int:
    """Look for a leak: values must not change when later rows are not there."""
    with progress(quiet=as_json) as shown:
        shown.step(f"recomputing {view} on shortened sources")
        found = state.ws.features.check(view)
    columns = ["kind", "column", "at", "entity", "whole:value", "truncated:without later rows", "rows"]
    empty = f"no leak over {found.cuts} cuts of {found.rows:,} rows"
    output.emit(found, as_json=as_json, show=lambda _: output.table(found.leaks, columns, empty=empty))
    return 1 if found.leaks else 0
