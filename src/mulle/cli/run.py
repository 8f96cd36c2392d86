"""`mulle run`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from mulle.cli import output, sweeps
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.progress import Progress, progress
from mulle.cli.state import State, json_option, pass_state, reason_option
from mulle.errors import UsageError

_OVER = ("executed", "cached", "skipped", "failed")


@click.command(
    cls=Command,
    verbs=("pipelines.run", "pipelines.sweep", "studies.best"),
    examples=(
        "mulle run",
        "mulle run delay --param learning_rate=0.05",
        "mulle run delay --sweep learning_rate=0.05,0.1 --sweep window=30d,90d",
        "mulle run delay --as-of 2013-06-01 --json",
    ),
)
@click.argument("pipeline", default="")
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@click.option(
    "--sweep", "axes", multiple=True, metavar="NAME=VALUE,VALUE", help="Run once for each value; of several, each pair."
)
@click.option("--as-of", default=None, metavar="INSTANT", help="Train as if it were this instant.")
@click.option("--from-study", default="", metavar="STUDY", help="With the parameters of a study's best trial.")
@click.option("--executor", type=click.Choice(["in-process", "process", "ray"]), help="Where the steps run.")
@json_option
@reason_option
@pass_state
def run(
    state: State,
    *,
    pipeline: str,
    params: tuple[str, ...],
    axes: tuple[str, ...],
    as_of: str | None,
    from_study: str,
    executor: str | None,
    as_json: bool,
) -> int:
    """Run a pipeline; steps that are known already cost nothing.

    A project with one pipeline needs no name. A step whose code, inputs and parameters are those of a former step run
    is not executed again. With --json the last line is the result:
    {"id", "status", "steps_executed", "steps_cached", "steps": [{"name", "status", "seconds"}]}. With --sweep there
    is one run for each combination of values; what they share is executed once, and a table tells what came out.
    """
    given = dict(parameter(text) for text in params)
    if from_study:
        question, best = state.ws.studies.show(from_study).question, state.ws.studies.best(from_study)
        pipeline, given = pipeline or question.pipeline, {**question.params, **best.params, **given}
    if axes:
        return _sweep(state, pipeline, axes, given, as_of=as_of, executor=executor, as_json=as_json)
    with progress(quiet=as_json) as shown:
        result = state.ws.run(pipeline, given, as_of=as_of, executor=executor, on_progress=_reporter(shown))
    if as_json:
        output.say(output.encode(summary(result)))
    else:
        _show(result)
    return 0 if result.status == "succeeded" else FAILURE


def _sweep(
    state: State, pipeline: str, axes: tuple[str, ...], given: dict[str, Any], *, as_json: bool, **where: str | None
) -> int:
    with progress(quiet=as_json) as shown:

        def told(run: Any, done: int, total: int) -> None:
            values = ", ".join(f"{name}={value}" for name, value in run.values.items())
            shown.step(f"{run.status} {values}", done, total)

        made = state.ws.sweep(pipeline, dict(map(sweeps.axis, axes)), given, on_run=told, **where)
    output.emit(made, as_json=as_json, show=sweeps.show)
    return 0 if all(each.status == "succeeded" for each in made.runs) else FAILURE


def parameter(text: str) -> tuple[str, Any]:
    """A parameter's name and value: JSON where it is JSON (numbers, true, lists), else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(
            f"'{text}' is not a parameter", cause="NAME=VALUE is needed", cure="mulle run --param window=30d"
        )
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def summary(result: Any) -> dict[str, Any]:
    """The run as its stable JSON form."""
    steps = [
        {"name": step.name, "status": step.status, "seconds": round(step.seconds, 4)}
        for step in result.steps
        if step.status in _OVER
    ]
    found = {
        "id": result.id,
        "status": result.status,
        "steps_executed": result.steps_executed,
        "steps_cached": result.steps_cached,
        "steps": steps,
        "model_versions": list(output.part(result, "model_versions") or []),
        "cpu_seconds": round(output.part(result, "cpu_seconds") or 0.0, 4),
    }
    error = output.part(result, "error")
    return found | ({"error": error} if error else {})


def _reporter(shown: Progress) -> Any:
    """What the controller calls as the run goes on."""

    def step(event: Any) -> None:
        name, state = output.part(event, "step"), output.part(event, "status")
        said = f"{name} waits for its turn: mulle resources" if state == "pending" else f"{state} {name}"
        shown.step(said, output.part(event, "done"), output.part(event, "total"))

    return step


def _show(result: Any) -> None:
    steps = [{"step": s.name, "status": output.status(s.status), "time": output.span(s.seconds)} for s in result.steps]
    output.table(steps, ["step", "status", "time"], empty="no steps")
    made = output.part(result, "model_versions") or []
    models = f", made {', '.join(made)}" if made else ""
    output.say(
        f"\n{output.status(result.status)}: run {result.id}, {result.steps_executed} executed, "
        f"{result.steps_cached} known already{models}"
    )
    if output.part(result, "error"):
        click.echo(output.part(result, "error"), err=True)
    failure = output.part(result, "failure")
    if failure and failure["cure"] and result.status == "failed":
        click.echo(click.style("Cure:  ", fg="green") + failure["cure"], err=True)
