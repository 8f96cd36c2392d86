"""`mulle data push`, `pull` and `clone`: datasets on other machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option

_version = click.option(
    "--version", default="", metavar="VERSION", help="Fetch the content of this version of the remote only."
)
_path = click.option("--path", default="", metavar="PATH", help="Fetch only this file or folder of a tree of files.")


_columns = click.option(
    "--columns", default="", metavar="A,B", help="Fetch only these columns of a table, besides those fetched so before."
)


@click.command(
    "push",
    cls=Command,
    verbs=("data.push",),
    examples=(
        "mulle data push flights",
        "mulle data push flights s3://bucket/prefix --all",
        "mulle data push images /mnt/share/datasets --branch cleaning",
    ),
)
@click.argument("dataset", metavar="NAME")
@click.argument("remote", default="origin")
@click.option("--branch", default="main", show_default=True, help="The branch to send, with the tags on it.")
@click.option("--all", "everything", is_flag=True, help="All branches and tags.")
@json_option
@reason_option
@pass_state
def push(state: State, *, dataset: str, remote: str, branch: str, everything: bool, as_json: bool) -> None:
    """Send a dataset to a remote ("origin" by default): only what is missing there.

    REMOTE is a name of [remotes] in mulle.toml, an address (s3://bucket/prefix, gs://…, az://…, http://HOST:PORT of a
    mulle server) or the path of a folder. A push that was cut or killed is repeated: what arrived is not sent again.
    """
    with _telling(as_json) as tell:
        found = state.ws.data.remotes.push(dataset, remote, branch, everything=everything, tell=tell)
    output.emit(found, as_json=as_json, show=_show_push)


@click.command(
    "pull",
    cls=Command,
    verbs=("data.pull",),
    examples=(
        "mulle data pull flights",
        "mulle data pull images s3://bucket/prefix --path train/cats",
        "mulle data pull flights origin --version v1.0",
        "mulle data pull flights origin --columns carrier,delay",
    ),
)
@click.argument("dataset", metavar="NAME")
@click.argument("remote", default="origin")
@_version
@_path
@_columns
@json_option
@reason_option
@pass_state
def pull(state: State, *, dataset: str, remote: str, version: str, path: str, columns: str, as_json: bool) -> None:
    """Fetch a dataset from a remote ("origin" by default): only what is missing here.

    Branches move forward and tags are made. A branch that has versions of its own stays as it is; the other line
    becomes the branch REMOTE/BRANCH, to be merged. With --version, --path or --columns the rest of the content stays
    there until it is pulled, too.
    """
    names = [name.strip() for name in columns.split(",") if name.strip()]
    with _telling(as_json) as tell:
        found = state.begun.data.remotes.pull(dataset, remote, version, path, names, tell=tell)
    output.emit(found, as_json=as_json, show=_show_pull)


@click.command(
    "clone",
    cls=Command,
    verbs=("data.pull",),
    examples=("mulle data clone s3://bucket/prefix flights", "mulle data clone origin images ./images"),
)
@click.argument("remote")
@click.argument("dataset", metavar="NAME")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@_version
@json_option
@reason_option
@pass_state
def clone(state: State, *, remote: str, dataset: str, path: Path | None, version: str, as_json: bool) -> None:
    """Fetch a dataset that is not here yet, and write it to PATH where that is given.

    In a folder that is in no mulle project, a workspace is made.
    """
    with _telling(as_json) as tell:
        data = state.begun.data
        found = data.remotes.pull(dataset, remote, version, tell=tell)
        if path is not None:
            data.checkout(f"{dataset}@{version}" if version else dataset, path)
    output.emit(found, as_json=as_json, show=_show_pull)
    if path is not None and not as_json:
        output.say(f"{dataset} → {path}")


@contextmanager
def _telling(as_json: bool) -> Iterator[Any]:
    """How far it is: the step, and how many objects have travelled."""
    with progress(quiet=as_json) as shown:
        yield lambda doing, objects, _size: shown.step(doing, float(objects))


def _show_push(found: Any) -> None:
    if not (found.branches or found.tags):
        output.say(f"{found.remote} has all of {found.dataset}")
        return
    sent = f"{found.objects:,} objects, {output.size(found.bytes)}"
    output.say(f"{found.dataset} → {found.remote}: {_versions(found)}, {sent}")
    output.fields(output.parts(found, "branches", "tags"))


def _show_pull(found: Any) -> None:
    came = f"{found.objects:,} objects, {output.size(found.bytes)}"
    output.say(f"{found.dataset} ← {found.remote}: {_versions(found)}, {came}")
    for branch, outcome in found.branches.items():
        output.say(f"  {branch}: {outcome}")
        if outcome.startswith("diverged"):
            output.say(f"    mulle data merge {found.dataset} {outcome.partition(': ')[2]} --into {branch}")
    if found.tags:
        output.say(f"  tags: {', '.join(found.tags)}")
    if found.partial:
        output.say(f"  a part stayed there; all of it: mulle data pull {found.dataset} {found.remote}")


def _versions(found: Any) -> str:
    count = len(found.versions)
    return f"{count} new version{'' if count == 1 else 's'}"
