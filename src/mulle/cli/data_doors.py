"""`mulle data import` and `export`: data from and to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option


@click.command(
    "import",
    cls=Command,
    verbs=("data.import",),
    examples=(
        "mulle data import dvc ../old-project",
        "mulle data import lfs ../photos --name photos",
        "mulle data import delta warehouse/flights --name flights",
    ),
)
@click.argument("door", metavar="dvc|lfs|files|parquet|csv|delta|mulle")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--name", default="", help="The dataset; of a DVC repository with several outputs, what names begin with."
)
@click.option("--rev", default="", metavar="REV", help="Only this git revision, as one version.")
@click.option("--all-revs", is_flag=True, help="What led to any branch or tag, not only to what is checked out.")
@click.option("--output", "out", default="", metavar="PATH", help="Only this output of a DVC repository.")
@click.option("--skip-missing", is_flag=True, help="Leave out versions whose content is not to be had any more.")
@click.option("--message", "-m", default="", help="What the version is, where no history comes with it.")
@json_option
@reason_option
@pass_state
def import_(
    state: State,
    *,
    door: str,
    path: Path,
    name: str,
    rev: str,
    all_revs: bool,
    out: str,
    skip_missing: bool,
    message: str,
    as_json: bool,
) -> None:
    """Take in what another tool keeps: DVC and git-lfs repositories with their history, tables and folders as they are.

    Neither DVC nor git-lfs has to be installed. What is here already is not read or stored again, so importing again
    brings what is new.
    """
    with progress(quiet=as_json) as shown:
        shown.step(f"importing {path}")
        found = state.begun.data.import_(
            door, str(path), name, message, rev=rev, all_revs=all_revs, output=out, skip_missing=skip_missing
        )
    output.emit(found, as_json=as_json, show=_show_import)


def _show_import(found: Any) -> None:
    rows = [
        {
            "dataset": each.name,
            "from": each.source,
            "new": len(each.added),
            "head": each.head,
            "left out": len(each.left_out),
        }
        for each in found.datasets
    ]
    output.table(rows, ["dataset", "from", "new:new versions", "head", "left out"])


@click.command(
    "export",
    cls=Command,
    verbs=("data.export",),
    examples=(
        "mulle data export flights@3 flights.parquet --to parquet",
        "mulle data export flights warehouse/flights --to delta",
        "mulle data export images@v1.0 repository/images --to dvc",
        "mulle data export flights flights.tar --to mulle",
    ),
)
@click.argument("ref")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "door", required=True, metavar="files|parquet|csv|delta|dvc|mulle", help="The form to write.")
@json_option
@pass_state
def export(state: State, *, ref: str, path: Path, door: str, as_json: bool) -> None:
    """Write a version where other tools read it. An import of what was written gives the same logical digest.

    `mulle` is for another workspace: all versions, branches and tags of the dataset in a folder or, where PATH ends in
    .tar, in one file.
    """
    with progress(quiet=as_json) as shown:
        shown.step(f"exporting {ref}")
        found = state.ws.data.export(ref, str(path), door)
    output.emit(found, as_json=as_json, show=_show_export)


def _show_export(found: Any) -> None:
    count = f"{found.files:,} file{'s' * (found.files != 1)}"
    output.say(f"{found.ref} → {found.path}: {count}, {output.size(found.bytes)}, {output.short(found.logical)}")
