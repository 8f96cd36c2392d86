"""`mulle data commit` and `rm`: versions come and go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option

FORMATS = ("csv", "tsv", "jsonl", "parquet", "arrow")


@click.command(
    "commit",
    cls=Command,
    verbs=("data.commit",),
    examples=(
        "mulle data commit flights january.csv -m January",
        "mulle data commit flights february.csv --append --branch cleaning",
        "mulle data commit images photos/",
        "mulle data commit flights --from flights@3 -m 'Back to the third'",
    ),
)
@click.argument("dataset", metavar="NAME")
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("--message", "-m", default="", help="What this version is.")
@click.option("--branch", default="main", show_default=True, help="The branch whose next version it is.")
@click.option("--append", is_flag=True, help="Add the rows to the head instead of replacing it.")
@click.option("--key", multiple=True, metavar="COLUMN", help="The columns that identify a row.")
@click.option("--time", default=None, metavar="COLUMN", help="The column of the event time.")
@click.option("--files", "as_files", is_flag=True, help="Keep a table's file as the file that it is.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="What standard input is, where PATH is -.")
@click.option("--from", "former", default="", metavar="NAME@VERSION", help="Instead of PATH: a former version again.")
@json_option
@reason_option
@pass_state
def commit(
    state: State,
    *,
    dataset: str,
    path: Path | None,
    message: str,
    branch: str,
    append: bool,
    key: tuple[str, ...],
    time: str | None,
    as_files: bool,
    format_: str | None,
    former: str,
    as_json: bool,
) -> None:
    """Make a file of rows, any other file, or a folder of files the next version of a dataset.

    CSV, TSV, Parquet, JSON lines and Arrow files become a table; a folder, or another file, is kept as files. PATH - is
    standard input. The first commit in a folder that is in no mulle project makes a workspace there.
    """
    if (path is None) == (not former):
        raise click.UsageError("what is to be committed?; give PATH, or --from NAME@VERSION")
    with progress(quiet=as_json) as shown, _given(state, path, format_) as given:
        ws = state.begun
        shown.step(f"committing {path or former}")
        version = ws.data.commit(
            dataset, given or ws.data.resolve(former), message,
            append=append, key=key, event_time=time, branch=branch, as_files=as_files,
        )  # fmt: skip
    output.emit(version, as_json=as_json, show=_one_version)


@contextmanager
def _given(state: State, path: Path | None, format_: str | None) -> Iterator[Path | None]:
    """The path to read; standard input as a file whose ending says what it is."""
    if path is None or str(path) != "-":
        if format_ is not None:
            raise click.UsageError("--format is for standard input; the ending of PATH says what a file is")
        yield path
        return
    if format_ is None:
        raise click.UsageError("what is standard input?; say it with --format csv (or jsonl, parquet, …)")
    import shutil  # noqa: PLC0415 - start-up time
    import tempfile  # noqa: PLC0415 - start-up time

    scratch = state.begun.root / "tmp"
    scratch.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=f".{format_}") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


def _one_version(version: Any) -> None:
    what = f"{version.rows:,} rows, " if version.kind == "table" else ""
    where = "" if version.branch == "main" else f" on {version.branch}"
    output.say(f"{version.ref}{where}: {what}{output.size(version.bytes)}, {output.short(version.digest)}")


@click.command(
    "rm",
    cls=Command,
    verbs=("data.rm",),
    examples=(
        "mulle data rm flights@2 --reason 'wrong file'",
        "mulle data rm scratch --force --reason 'no longer needed'",
    ),
)
@click.argument("ref", metavar="NAME[@VERSION]")
@click.option("--force", is_flag=True, help="Also what a branch, tag, model or deployment needs.")
@json_option
@reason_option
@pass_state
def rm(state: State, ref: str, force: bool, as_json: bool) -> None:
    """Remove a version, or a whole dataset; refused where somebody needs it.

    The ledger keeps who did it, when and why, and no number is given out again. The objects stay until
    `mulle data gc` finds that nothing names them.
    """
    output.emit(state.ws.data.rm(ref, force=force), as_json=as_json, show=_show_removed)


def _show_removed(found: Any) -> None:
    many = len(found.versions)
    output.say(f"removed {found.dataset}: {many} {'version' if many == 1 else 'versions'}")
    for kind, names in (("branches", found.branches), ("tags", found.tags)):
        if names:
            output.say(f"{kind} that pointed there: {', '.join(names)}")
