"""`mulle data add`, `status` and `checkout`: working copies of datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state


@click.command(
    "add",
    cls=Command,
    verbs=("data.add",),
    examples=("mulle data add images photos/", "mulle data add images photos/ --json"),
)
@click.argument("dataset", metavar="NAME")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@pass_state
def add(state: State, dataset: str, path: Path, as_json: bool) -> None:
    """Take what is new in a folder into the store; the next commit of it then makes a version at once.

    Only files whose size or times changed are read. Links are followed; empty folders, .git and .mulle are left out.
    """
    with progress(quiet=as_json) as shown:
        ws = state.begun
        shown.step(f"adding {path}")
        found = ws.data.add(dataset, str(path))
    output.emit(found, as_json=as_json, show=_show_added)


def _show_added(found: Any) -> None:
    output.say(f"{found.files:,} files, {output.size(found.bytes)}: {_counts(found)}")
    output.say(f"to make a version of them: mulle data commit {found.dataset} {found.path} -m MESSAGE")


def _counts(found: Any) -> str:
    return f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"


@click.command(
    "status",
    cls=Command,
    verbs=("data.status",),
    examples=("mulle data status images photos/", "mulle data status images photos/ --json"),
)
@click.argument("dataset", metavar="NAME")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@pass_state
def status(state: State, dataset: str, path: Path, as_json: bool) -> None:
    """Which files of a folder differ from the version that they come from: that last committed or checked out there."""
    output.emit(state.ws.data.status(dataset, str(path)), as_json=as_json, show=_show_status)


def _show_status(found: Any) -> None:
    where = f"{found.dataset}@{found.version}" if found.version is not None else "nothing: there is no version yet"
    if found.clean:
        output.say(f"{found.path} is {where}, nothing changed")
        return
    output.say(f"compared with {where}: {_counts(found)}")
    for sign, paths in (
        ("+", found.examples.added),
        ("-", found.examples.removed),
        ("~", found.examples.changed),
    ):
        for path in paths:
            output.say(f"  {sign} {path}")


@click.command(
    "checkout",
    cls=Command,
    verbs=("data.checkout",),
    examples=(
        "mulle data checkout images@2 ./images",
        "mulle data checkout images@2 ./images --path train/cats",
        "mulle data checkout flights@3 flights.parquet",
    ),
)
@click.argument("ref", metavar="NAME[@VERSION]")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--path", "parts", multiple=True, metavar="SUB", help="Only the files at or below this path of it.")
@click.option("--force", is_flag=True, help="Overwrite changes that are in no version.")
@click.option("--link", is_flag=True, help="Make read-only hard links to the store's files where possible.")
@json_option
@pass_state
def checkout(
    state: State, ref: str, path: Path, *, parts: tuple[str, ...], force: bool, link: bool, as_json: bool
) -> None:
    """Make a folder what a version is; a table is written to one file, in the format that the path's ending names.

    Only files that differ are written; those of the version before that this one lacks are removed, files of your own
    stay. Changes that are in no version are not overwritten. Killed, it is just repeated.
    """
    with progress(quiet=as_json) as shown:
        shown.step(f"checking out {ref}")
        found = state.ws.data.checkout(ref, str(path), parts, force=force, link=link)
    output.emit(found, as_json=as_json, show=_show_checkout)


def _show_checkout(found: Any) -> None:
    what = f": {found.written:,} files written, {found.removed:,} removed, {found.unchanged:,} unchanged"
    output.say(f"{found.ref} → {found.path}{what if found.kind == 'files' else ''}")
