"""`mulle data add`, `status` and `checkout`: working copies of datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option
from mulle.errors import MulleError

if TYPE_CHECKING:
    from mulle.data.working.copies import Copies


@click.command(
    "add",
    cls=Command,
    verbs=("data.add",),
    examples=("mulle data add images photos/", "mulle data add photos/ -m 'First photos'"),
)
@click.argument("dataset", metavar="[NAME]")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path), required=False)
@click.option("--name", default="", help="The dataset, where only PATH is given; the path's own name by default.")
@click.option("--message", "-m", default="", help="What the version is, where only PATH is given.")
@json_option
@reason_option
@pass_state
def add(state: State, dataset: str, path: Path | None, *, name: str, message: str, as_json: bool) -> None:
    """Take what is new in a folder into the store; the next commit of it then makes a version at once.

    With PATH alone it is made a version now, and a small file PATH.mulle that says which one is written beside it: git
    reviews and switches that file, and `mulle data checkout` brings the data after it. A line in .gitignore keeps the
    data itself out of git.

    Only files whose size or times changed are read. Links are followed; empty folders, .git and .mulle are left out.
    """
    if path is not None and (name or message):
        raise click.UsageError(
            "--name and --message go with PATH alone; mulle data commit makes a version of NAME PATH"
        )
    with progress(quiet=as_json) as shown:
        shown.step(f"adding {path or dataset}")
        if path is None:
            pointed = state.begun.data.pointed.add(Path(dataset), name, message)
        else:
            with _copies(state, dataset) as copies:
                found = copies.add(dataset, path) if copies else state.begun.data.add(dataset, str(path))
    if path is None:
        output.emit(pointed, as_json=as_json, show=_show_pointed)
    else:
        output.emit(found, as_json=as_json, show=_show_added)


def _show_pointed(found: Any) -> None:
    output.say(f"{found.path} is {found.dataset}@{found.version}; for git: git add {found.file}")


def _show_added(found: Any) -> None:
    output.say(f"{found.files:,} files, {output.size(found.bytes)}: {_counts(found)}")
    output.say(f"to make a version of them: mulle data commit {found.dataset} {found.path} -m MESSAGE")


def _counts(found: Any) -> str:
    return f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"


@click.command(
    "status",
    cls=Command,
    verbs=("data.status",),
    examples=("mulle data status images photos/", "mulle data status"),
)
@click.argument("dataset", metavar="[NAME]", default="")
@click.argument("path", metavar="[PATH]", type=click.Path(path_type=Path), required=False)
@json_option
@pass_state
def status(state: State, dataset: str, path: Path | None, as_json: bool) -> None:
    """Which files of a folder differ from the version that they come from: that last committed or checked out there.

    Without NAME and PATH, all that pointer files (PATH.mulle) in this folder and below tell of.
    """
    if path is None:
        found = state.ws.data.pointed.states(_pointers(dataset, state.directory))
        output.emit(found, as_json=as_json, show=output.rows(_POINTED, empty="no pointer files here"))
        return
    with _copies(state, dataset, path) as copies:
        told = copies.status(dataset, path, None) if copies else state.ws.data.status(dataset, str(path))
    output.emit(told, as_json=as_json, show=_show_status)


@contextmanager
def _copies(state: State, dataset: str, path: Path | None = None) -> Iterator[Copies | None]:
    """What is enough to add, and to ask about a copy that is known: the workspace's planes cost start-up time."""
    from mulle import config  # noqa: PLC0415 - start-up time
    from mulle.data.refs import require_dataset  # noqa: PLC0415 - start-up time
    from mulle.data.working.known import known, staging  # noqa: PLC0415 - start-up time

    require_dataset(dataset)

    try:
        workspace = config.load(state.directory).workspace
        config.check_format(workspace)
    except MulleError:  # no project here, or no workspace in it yet: opening it says so, or makes it
        yield None
        return
    with staging(workspace) if path is None else known(workspace, dataset, path) as copies:
        yield copies


_POINTED = ["path", "dataset", "state", "version:pointer says", "at:copy is", "added", "removed", "changed"]


def _pointers(given: str, folder: Path) -> list[Path]:
    """The pointer files that are meant: one that is given, as itself or by its data's path, or all in a folder."""
    from mulle.data import pointers  # noqa: PLC0415 - start-up time

    if not given:
        return list(pointers.found_below(folder))
    path = Path(given)
    file = path if path.name.endswith(pointers.SUFFIX) else pointers.pointer_file(path)
    if not file.is_file():
        raise click.UsageError(
            f"'{given}' has no pointer file; give NAME and PATH, or make one: mulle data add {given}"
        )
    return [file]


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
        "mulle data checkout",
    ),
)
@click.argument("ref", metavar="[NAME[@VERSION]]", default="")
@click.argument("path", metavar="[PATH]", type=click.Path(path_type=Path), required=False)
@click.option("--path", "parts", multiple=True, metavar="SUB", help="Only the files at or below this path of it.")
@click.option("--force", is_flag=True, help="Overwrite changes that are in no version.")
@click.option("--link", is_flag=True, help="Make read-only hard links to the store's files where possible.")
@json_option
@pass_state
def checkout(
    state: State, ref: str, path: Path | None, *, parts: tuple[str, ...], force: bool, link: bool, as_json: bool
) -> None:
    """Make a folder what a version is; a table is written to one file, in the format that the path's ending names.

    Only files that differ are written; those of the version before that this one lacks are removed, files of your own
    stay. Changes that are in no version are not overwritten. Killed, it is just repeated.

    Without NAME and PATH, all that pointer files in this folder and below tell of becomes what they say; with a pointer
    file (PATH.mulle) alone, what that tells of.
    """
    if path is None:
        _check_out_pointers(state, ref, force=force, as_json=as_json)
        return
    with progress(quiet=as_json) as shown:
        shown.step(f"checking out {ref}")
        found = state.ws.data.checkout(ref, str(path), parts, force=force, link=link)
    output.emit(found, as_json=as_json, show=_show_checkout)


def _check_out_pointers(state: State, given: str, *, force: bool, as_json: bool) -> None:
    with progress(quiet=as_json) as shown:
        shown.step("checking out what pointer files say")
        found = state.ws.data.pointed.checkout(_pointers(given, state.directory), force=force)
    output.emit(found, as_json=as_json, show=output.rows(_POINTED, empty="no pointer files here"))


def _show_checkout(found: Any) -> None:
    what = f": {found.written:,} files written, {found.removed:,} removed, {found.unchanged:,} unchanged"
    output.say(f"{found.ref} → {found.path}{what if found.kind == 'files' else ''}")
