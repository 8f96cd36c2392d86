"""`mulle runs`: list, show, steps, metrics, logs."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option
from mulle.cli.sweeps import sweep, sweeps

_LIST = ["id", "kind", "pipeline", "status", "created", "metrics"]
_SHOW = [
    *["id", "kind", "pipeline", "status", "created", "ended", "as_of", "params", "metrics", "actor", "reason", "cause"],
    *["project_version", "error"],
]


@click.group(cls=Group, examples=("mulle runs list", "mulle runs show 0193…", "mulle runs logs STEP_RUN"))
def runs() -> None:
    """Runs, their steps, metrics and logs."""


@runs.command("list", verbs=("runs.list",), examples=("mulle runs list --limit 5", "mulle runs list --pipeline delay"))
@click.option("--pipeline", default=None, help="Only runs of this pipeline.")
@limit_option(20)
@json_option
@pass_state
def list_(state: State, pipeline: str | None, limit: int, as_json: bool) -> None:
    """The newest runs."""
    found = list(state.ws.runs.list(limit=limit, pipeline=pipeline))
    output.emit(found, as_json=as_json, show=output.rows(_LIST, empty="no runs yet: mulle run"))


@runs.command("show", verbs=("runs.show", "runs.steps"), examples=("mulle runs show 0193…",))
@click.argument("run")
@json_option
@pass_state
def show(state: State, run: str, as_json: bool) -> None:
    """One run: parameters, metrics, steps, and the error if it failed."""
    found = state.ws.runs.show(run)
    output.emit(found, as_json=as_json, show=lambda _: _show(state, found))


def _show(state: State, found: Any) -> None:
    output.fields(output.parts(found, *_SHOW))
    output.say()
    output.table(state.ws.runs.steps(found.id), _STEPS, empty="no steps")


_STEPS = ["name", "kind", "status", "seconds", "cpu_seconds:cpu", "id", "error"]


@runs.command("steps", verbs=("runs.steps",), examples=("mulle runs steps 0193… --json",))
@click.argument("run")
@json_option
@pass_state
def steps(state: State, run: str, as_json: bool) -> None:
    """The step runs of a run."""
    output.emit(list(state.ws.runs.steps(run)), as_json=as_json, show=output.rows(_STEPS, empty="no steps"))


@runs.command("metrics", verbs=("runs.metrics",), examples=("mulle runs metrics 0193… roc_auc",))
@click.argument("run")
@click.argument("key")
@json_option
@pass_state
def metrics(state: State, run: str, key: str, as_json: bool) -> None:
    """The points of one metric of a run."""
    found = list(state.ws.runs.metrics(run, key))
    output.emit(found, as_json=as_json, show=output.rows(["step", "value", "at"]))


@runs.command("logs", verbs=("runs.logs",), examples=("mulle runs logs STEP_RUN", "mulle runs logs STEP_RUN --follow"))
@click.argument("step_run")
@click.option("--follow", "-f", is_flag=True, help="Go on as the step prints more, until it is over.")
@json_option
@pass_state
def logs(state: State, step_run: str, follow: bool, as_json: bool) -> None:
    """What a step printed; with --follow --json, one line of JSON for each line."""
    found = state.ws.runs.logs(step_run, follow=follow)
    if follow and as_json:
        for line in found:
            output.say(output.encode(line))
    elif as_json:
        output.say(output.encode(list(found)))
    else:
        _print_lines(found)


def _print_lines(found: Any) -> None:
    for line in found:
        output.say(line.text)


@runs.command("artifacts", verbs=("runs.artifacts",), examples=("mulle runs artifacts 0193…",))
@click.argument("run")
@json_option
@pass_state
def artifacts(state: State, run: str, as_json: bool) -> None:
    """The files and folders that were kept with a run."""
    found = list(state.ws.runs.artifacts(run))
    output.emit(found, as_json=as_json, show=output.rows(["name", "kind", "bytes", "digest"], empty="no artifacts"))


@runs.command("cancel", verbs=("runs.cancel",), examples=('mulle runs cancel 0193… --reason "wrong window"',))
@click.argument("run")
@json_option
@reason_option
@pass_state
def cancel(state: State, run: str, as_json: bool) -> None:
    """Ask a running run to end; its process does so within a second."""
    found = state.ws.runs.cancel(run)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"run {found.id} was asked to end"))


runs.add_command(sweeps)
runs.add_command(sweep)
