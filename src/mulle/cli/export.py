"""`mulle export`: a pipeline in the language of another workflow engine."""

from __future__ import annotations

from pathlib import Path

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state


@click.group(
    cls=Group,
    examples=("mulle export pipeline delay --to airflow --output delay_dag.py", "mulle export targets"),
)
def export() -> None:
    """A pipeline for another workflow engine, whose nodes call `mulle step`."""


@export.command(
    "pipeline",
    verbs=("exports.pipeline",),
    examples=(
        "mulle export pipeline delay --to kfp --output delay.yaml",
        "mulle export pipeline delay --to argo --image registry.example/flights:7 --directory /project",
    ),
)
@click.argument("pipeline")
@click.option("--to", required=True, metavar="ENGINE", help="kfp, airflow or argo; `mulle export targets` lists them.")
@click.option(
    "--output", "-o", "file", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write it there."
)
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="Another default of a parameter.")
@click.option("--image", default="", metavar="IMAGE", help="The container image that the steps run in.")
@click.option("--directory", default="", metavar="DIR", help="Where the project is there; where it is here by default.")
@click.option("--command", default="mulle", show_default=True, metavar="PATH", help="What mulle is called there.")
@json_option
@pass_state
def pipeline(
    state: State,
    *,
    pipeline: str,
    to: str,
    file: Path | None,
    params: tuple[str, ...],
    image: str,
    directory: str,
    command: str,
    as_json: bool,
) -> None:
    """Write a pipeline for Kubeflow Pipelines, Airflow or Argo.

    Each node calls `mulle step`, so memo and digests are those of `mulle run`. Retries, timeouts, resources, conditions
    and mapped steps are carried over where the engine has a word for them; what is not is told.
    """
    from mulle.pipelines.exporting import Target  # noqa: PLC0415 - start-up time

    given = dict(parameter(text) for text in params)
    target = Target(directory=directory, command=command, image=image)
    made = state.ws.exports.pipeline(pipeline, to, given, target)
    if file is not None:
        file.write_text(made.text, encoding="utf-8")
    if as_json:
        output.say(output.encode(made))
        return
    if file is None:
        click.echo(made.text, nl=False)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)


@export.command("targets", verbs=("exports.targets",), examples=("mulle export targets",))
@json_option
@pass_state
def targets(state: State, as_json: bool) -> None:
    """The workflow engines that pipelines can be exported to."""
    found = list(state.ws.exports.targets())
    output.emit(found, as_json=as_json, show=lambda names: output.say("\n".join(names)))
