"""`mulle predictions`: the answers that were given."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, limit_option, pass_state

_LIST = ["id", "at", "revision", "output"]


@click.group(
    cls=Group, examples=("mulle predictions list --deployment delay --limit 5 --json", "mulle predictions show 0193…")
)
def predictions() -> None:
    """Answers that were given, with their ids."""


@predictions.command(
    "list", verbs=("predictions.list",), examples=("mulle predictions list --deployment delay --limit 5 --json",)
)
@click.option("--deployment", required=True, help="Whose answers.")
@click.option("--revision", type=int, default=None, help="Only answers of this revision.")
@limit_option(20)
@json_option
@pass_state
def list_(state: State, deployment: str, revision: int | None, limit: int, as_json: bool) -> None:
    """The newest answers of a deployment; with --json: [{"id", "at", "revision", "output"}]."""
    found = list(state.ws.predictions.list(deployment, limit=limit, revision=revision))
    output.emit(found, as_json=as_json, show=output.rows(_LIST, empty="no predictions yet: mulle predict"))


@predictions.command("show", verbs=("predictions.show",), examples=("mulle predictions show 0193…",))
@click.argument("prediction")
@json_option
@pass_state
def show(state: State, prediction: str, as_json: bool) -> None:
    """One answer: what was asked, what was said, by which model."""
    paths = [
        "id",
        "at",
        "deployment",
        "revision",
        "model",
        "role",
        "key",
        "inputs",
        "output",
        "outputs",
        "score",
        "label",
    ]
    output.emit(
        state.ws.predictions.show(prediction),
        as_json=as_json,
        show=lambda found: output.fields(output.parts(found, *paths, "latency_us")),
    )


@predictions.command("labels", verbs=("predictions.labels",), examples=("mulle predictions labels --deployment delay",))
@click.option("--deployment", required=True, help="Whose answers.")
@limit_option(20)
@json_option
@pass_state
def labels(state: State, deployment: str, limit: int, as_json: bool) -> None:
    """Answers beside the truth that came later."""
    found = list(state.ws.predictions.labels(deployment, limit=limit))
    output.emit(found, as_json=as_json, show=output.rows(["id", "at", "score", "label"], empty="no labels yet"))


@predictions.command("feedback", verbs=("predictions.feedback",), examples=("mulle predictions feedback 0193… true",))
@click.argument("prediction")
@click.argument("label")
@json_option
@pass_state
def feedback(state: State, prediction: str, label: str, as_json: bool) -> None:
    """Tell the truth about one answer."""
    value = parameter(f"label={label}")[1]
    found = state.ws.predictions.feedback(prediction, value)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"{prediction}: the label is {output.cell(value)}"))
