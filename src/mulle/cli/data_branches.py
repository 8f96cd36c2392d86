"""`mulle data branch`, `tag` and `merge`."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.state import State, json_option, pass_state, reason_option


@click.command(
    "branch",
    cls=Command,
    verbs=("data.branch",),
    examples=(
        "mulle data branch flights",
        "mulle data branch flights cleaning",
        "mulle data branch flights trial --at flights@3",
        "mulle data branch flights trial --delete",
    ),
)
@click.argument("dataset", metavar="NAME")
@click.argument("branch", default="")
@click.option("--at", default="", metavar="VERSION", help="Where it begins; the head of main by default.")
@click.option("--delete", is_flag=True, help="Let go of it; its versions stay.")
@click.option("--list", "listing", is_flag=True, help="List the branches; the same as no BRANCH.")
@json_option
@reason_option
@pass_state
def branch(state: State, *, dataset: str, branch: str, at: str, delete: bool, listing: bool, as_json: bool) -> None:
    """Make a branch; without BRANCH, list them.

    Commits go to it with `mulle data commit NAME PATH --branch BRANCH`; NAME@BRANCH is its newest version.
    """
    _require_name(branch, delete=delete, at=at)
    found = state.ws.data.branch(dataset, "" if listing else branch, at, delete=delete)
    output.emit(found, as_json=as_json, show=_shown(branch and not listing, delete=delete))


@click.command(
    "tag",
    cls=Command,
    verbs=("data.tag",),
    examples=(
        "mulle data tag flights v1.0",
        "mulle data tag flights paper --at HEAD~1",
        "mulle data tag flights",
    ),
)
@click.argument("dataset", metavar="NAME")
@click.argument("tag", default="")
@click.option("--at", default="", metavar="VERSION", help="The version to name; the head of main by default.")
@click.option("--delete", is_flag=True, help="Let go of it; its version stays.")
@click.option("--list", "listing", is_flag=True, help="List the tags; the same as no TAG.")
@json_option
@reason_option
@pass_state
def tag(state: State, *, dataset: str, tag: str, at: str, delete: bool, listing: bool, as_json: bool) -> None:
    """Name a version for good; without TAG, list the tags. A tag does not move."""
    _require_name(tag, delete=delete, at=at)
    found = state.ws.data.tag(dataset, "" if listing else tag, at, delete=delete)
    output.emit(found, as_json=as_json, show=_shown(tag and not listing, delete=delete))


def _require_name(name: str, *, delete: bool, at: str) -> None:
    if not name and (delete or at):
        raise click.UsageError(f"{'--delete' if delete else '--at'} needs a name; see the examples")


def _shown(one: Any, *, delete: bool) -> Any:
    def show(found: Any) -> None:
        if not one:
            output.table(found, ["name", "version"], empty="none yet")
        for ref in found if one else ():
            output.say(f"{ref.kind} {ref.name} {'deleted; it was at' if delete else '→'} {ref.version}")

    return show


@click.command(
    "merge",
    cls=Command,
    verbs=("data.merge",),
    examples=("mulle data merge flights cleaning", "mulle data merge flights cleaning --into main -m 'Cleaned'"),
)
@click.argument("dataset", metavar="NAME")
@click.argument("source", metavar="FROM")
@click.option("--into", default="main", show_default=True, metavar="BRANCH", help="The branch that takes it in.")
@click.option("--message", "-m", default="", help="What the merge is.")
@json_option
@reason_option
@pass_state
def merge(state: State, *, dataset: str, source: str, into: str, message: str, as_json: bool) -> None:
    """Bring what FROM (a branch, tag or version) has into a branch.

    Where the branch has nothing of its own it moves forward; else a version with two parents is made. A row or file
    that both changed differently is a conflict: nothing is merged, and each is told with both values.
    """
    found = state.ws.data.merge(dataset, source, into, message)
    output.emit(found, as_json=as_json, show=_show_merge)


def _show_merge(found: Any) -> None:
    said = {"up to date": "has it already", "fast-forward": "moved forward to", "merged": "merged as"}[found.result]
    output.say(f"{found.into} {said}: {found.version.ref}, {found.version.rows:,} rows")
