"""Sweeps on the command line: what varied, how each run went, and what came out."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.state import State, json_option, limit_option, pass_state
from mulle.errors import UsageError


def axis(text: str) -> tuple[str, list[Any]]:
    """A swept parameter and its values: between commas, each as JSON where it is that; or one JSON list.

    Raises:
        UsageError: it is neither.
    """
    from mulle.cli.run import parameter  # noqa: PLC0415 - `mulle run` imports this module

    name, equals, values = text.partition("=")
    if not equals or not values:
        raise UsageError(
            f"'{text}' is nothing to sweep over",
            cause="NAME=VALUE,VALUE is needed",
            cure="mulle run --sweep depth=3,5,8",
        )
    if values.startswith("["):
        try:
            return name, msgspec.json.decode(values, type=list[Any])
        except msgspec.MsgspecError:
            pass
    return name, [parameter(f"{name}={value}")[1] for value in values.split(",")]


def show(found: Any) -> None:
    """A sweep as a table: a line for each run."""
    metrics = list(dict.fromkeys(key for each in found.runs for key in each.metrics))
    outputs = list(dict.fromkeys(key for each in found.runs for key in each.outputs))
    rows = [
        {
            **each.values,
            "status": output.status(each.status),
            **{key: each.metrics.get(key) for key in metrics},
            **{key: each.outputs.get(key) for key in outputs},
            "executed": each.steps_executed,
            "known": each.steps_cached,
            "run": each.run,
            "error": each.error.partition("\n")[0],
        }
        for each in found.runs
    ]
    failed = any(each.error for each in found.runs)
    columns = [*found.axes, "status", *metrics, *outputs, "executed", "known", "run", *(["error"] if failed else [])]
    output.table(rows, columns, empty="no runs")
    good = sum(each.status == "succeeded" for each in found.runs)
    output.say(f"\nsweep {found.id} of {found.pipeline}: {good} of {len(found.runs)} succeeded")


@click.command(
    "sweeps", cls=Command, verbs=("pipelines.sweeps",), examples=("mulle runs sweeps", "mulle runs sweeps --json")
)
@click.option("--pipeline", default=None, help="Only sweeps of this pipeline.")
@limit_option(20)
@json_option
@pass_state
def sweeps(state: State, pipeline: str | None, limit: int, as_json: bool) -> None:
    """The newest sweeps."""
    found = list(state.ws.pipelines.sweeps(limit=limit, name=pipeline))
    rows = [{**output.parts(each, "id", "pipeline", "created", "axes"), "runs": len(each.runs)} for each in found]
    empty = "no sweeps yet: mulle run --sweep NAME=1,2,3"
    shown = output.rows(["id", "pipeline", "created", "axes", "runs"], empty=empty)
    output.emit(found, as_json=as_json, show=lambda _: shown(rows))


@click.command("sweep", cls=Command, verbs=("pipelines.swept",), examples=("mulle runs sweep 0193…",))
@click.argument("sweep")
@json_option
@pass_state
def sweep(state: State, sweep: str, as_json: bool) -> None:
    """One sweep: its runs, what they measured and what came out."""
    output.emit(state.ws.pipelines.swept(sweep), as_json=as_json, show=show)
