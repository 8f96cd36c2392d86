"""`mulle rollouts`: gates' verdicts and the moving of traffic."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option

_LIST = ["id", "deployment", "ref:model", "former", "status", "stage", "since", "reason"]
_deployment = click.option("--deployment", default="", help="Only of this deployment.")


@click.group(cls=Group, examples=("mulle rollouts list", "mulle rollouts verdicts --deployment delay"))
def rollouts() -> None:
    """How traffic moves to a new model, and what its gate said."""


@rollouts.command("list", verbs=("rollouts.list",), examples=("mulle rollouts list --deployment delay",))
@_deployment
@limit_option(20)
@json_option
@pass_state
def list_(state: State, deployment: str, limit: int, as_json: bool) -> None:
    """The rollouts, the newest first."""
    found = list(state.ws.rollouts.list(deployment, limit=limit))
    output.emit(found, as_json=as_json, show=output.rows(_LIST, empty="no rollouts yet"))


@rollouts.command("show", verbs=("rollouts.show",), examples=("mulle rollouts show 0193…",))
@click.argument("rollout")
@json_option
@pass_state
def show(state: State, rollout: str, as_json: bool) -> None:
    """One rollout."""
    found = state.ws.rollouts.show(rollout)
    output.emit(found, as_json=as_json, show=lambda _: output.fields(output.parts(found, *_LIST, "started", "ended")))


@rollouts.command("verdicts", verbs=("rollouts.verdicts",), examples=("mulle rollouts verdicts",))
@_deployment
@limit_option(20)
@json_option
@pass_state
def verdicts(state: State, deployment: str, limit: int, as_json: bool) -> None:
    """What the gates said, check by check."""
    found = list(state.ws.rollouts.verdicts(deployment, limit=limit))
    output.emit(found, as_json=as_json, show=_show_verdicts)


def _show_verdicts(found: list[Any]) -> None:
    lines = [
        {"at": one.at, "model": f"{one.model}@{one.version}", "check": check.check, "why": check.reason}
        | {"passed": "not evaluated" if check.passed is None else check.passed}
        for one in found
        for check in one.checks
    ]
    output.table(lines, ["at", "model", "check", "passed", "why"], empty="no verdicts yet")


@rollouts.command("abort", verbs=("rollouts.abort",), examples=('mulle rollouts abort 0193… --reason "late answers"',))
@click.argument("rollout")
@json_option
@reason_option
@pass_state
def abort(state: State, rollout: str, as_json: bool) -> None:
    """End a rollout; all traffic returns to the model that served before."""
    found = state.ws.rollouts.abort(rollout, reason=state.reason)
    output.emit(found, as_json=as_json, show=lambda made: output.say(f"{made.id} is {made.status}"))
