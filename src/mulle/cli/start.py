"""`mulle init` and `mulle demo`."""

from __future__ import annotations

from pathlib import Path

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state


@click.command(
    cls=Command,
    examples=(
        "mulle init shop",
        "mulle init late --from flights.csv --target late --time time_hour",
        "mulle init churn --from customers.csv --target churned --key customer_id",
    ),
)
@click.argument("name", default="")
@click.option(
    "--from", "data", type=click.Path(path_type=Path), metavar="FILE", help="CSV, TSV, Parquet or JSON lines."
)
@click.option("--target", default="", metavar="COLUMN", help="The column to predict.")
@click.option("--time", default="", metavar="COLUMN", help="The column that says when a row's event happened.")
@click.option("--key", multiple=True, metavar="COLUMN", help="A column that identifies a row; repeat it for several.")
@json_option
@pass_state
def init(
    state: State, *, name: str, data: Path | None, target: str, time: str, key: tuple[str, ...], as_json: bool
) -> None:
    """Start a project, empty or from a data file of your own.

    Writes a small, readable project that runs as it is: the types of the columns, the key, the split, the gate and the
    monitor are inferred, and everything is yours to change. Without --from it learns from a sample table. NAME is the
    directory to make; without it the project goes into the present one, which must be empty.
    """
    from mulle.workspace import scaffold  # noqa: PLC0415 - start-up time: it reads tables

    directory = state.directory / name
    with progress(quiet=as_json) as shown:
        shown.step(f"reading {data or 'the sample'}")
        written = scaffold.init(directory, name=Path(name).name, data=data, target=target, time=time, key=list(key))
        state.directory = directory
        shown.step(f"committing {written.rows:,} rows of {written.dataset}")
        scaffold.take_in(written, state.ws)
    output.emit(written, as_json=as_json, show=_show_written)


def _show_written(written: object) -> None:
    path = output.part(written, "path")
    output.say(f"Wrote {path}: {', '.join(output.part(written, 'files'))}")
    for note in output.part(written, "notes"):
        output.say(f"  · {note}")
    where = "" if path.resolve() == Path.cwd() else f"cd {path} && "
    output.say(f"\nNow: {where}mulle run && mulle deploy && mulle predict --rows example.json")


@click.command(cls=Command, examples=("mulle demo", "mulle demo .demo --json", "mulle -C .demo server"))
@click.argument("directory", default=".demo", type=click.Path(path_type=Path))
@json_option
@pass_state
def demo(state: State, directory: Path, as_json: bool) -> None:
    """Play a whole year of real flights through the wheel.

    In a fresh workspace the year 2013 arrives day by day in virtual time; several retraining policies are backtested,
    the chosen champion is served on loopback, and report.html says what was found.
    """
    from mulle.workspace.demo import play  # noqa: PLC0415 - start-up time

    with progress(quiet=as_json) as shown:
        report = play(state.directory / directory, on_progress=shown.step)
    output.emit(report, as_json=as_json, show=_show_found)


def _show_found(found: object) -> None:
    output.say("\n".join([*output.part(found, "table"), "", *output.part(found, "lines")]))
