"""`mulle run`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.progress import Progress, progress
from mulle.cli.state import State, json_option, pass_state, reason_option
from mulle.errors import UsageError

_OVER = ("executed", "cached", "failed")


@click.command(
    cls=Command,
    verbs=("runs.list", "studies.best"),
    examples=("mulle run", "mulle run delay --param learning_rate=0.05", "mulle run delay --as-of 2013-06-01 --json"),
)
@click.argument("pipeline", default="")
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@click.option("--as-of", default=None, metavar="INSTANT", help="Train as if it were this instant.")
@click.option("--from-study", default="", metavar="STUDY", help="With the parameters of a study's best trial.")
@click.option("--executor", type=click.Choice(["in-process", "process"]), default=None, help="Where the steps run.")
@json_option
@reason_option
@pass_state
def run(
    state: State,
    *,
    pipeline: str,
    params: tuple[str, ...],
    as_of: str | None,
    from_study: str,
    executor: str | None,
    as_json: bool,
) -> int:
    """Run a pipeline; steps that are known already cost nothing.

    A project with one pipeline needs no name. A step whose code, inputs and parameters are those of a former step run
    is not executed again. With --json the last line is the result:
    {"id", "status", "steps_executed", "steps_cached", "steps": [{"name", "status", "seconds"}]}.
    """
    given = dict(parameter(text) for text in params)
    if from_study:
        question, best = state.ws.studies.show(from_study).question, state.ws.studies.best(from_study)
        pipeline, given = pipeline or question.pipeline, {**question.params, **best.params, **given}
    with progress(quiet=as_json) as shown:
        result = state.ws.run(pipeline, given, as_of=as_of, executor=executor, on_progress=_reporter(shown))
    if as_json:
        output.say(output.encode(summary(result)))
    else:
        _show(result)
    return 0 if result.status == "succeeded" else FAILURE


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
        shown.step(f"{state} {name}", output.part(event, "done"), output.part(event, "total"))

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
