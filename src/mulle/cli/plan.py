"""`mulle plan`."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state

_WOULD = {
    "run": "would run",
    "depends": "depends",
    "known": "known",
    "skipped": "skipped",
    "effect": "if it is new",
}
_WHY = {"new": "it has not run before", "lost": "its outputs are gone", "uncached": "it is not to be cached"}
_FEW = 4


@click.command(
    cls=Command,
    verbs=("pipelines.plan",),
    examples=("mulle plan", "mulle plan delay --param learning_rate=0.05", "mulle plan delay --json"),
)
@click.argument("pipeline", default="")
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@click.option("--as-of", default=None, metavar="INSTANT", help="As if it were this instant.")
@click.option("--all", "whole", is_flag=True, help="Every reason, not only the first few of a step.")
@json_option
@pass_state
def plan(
    state: State, *, pipeline: str, params: tuple[str, ...], as_of: str | None, whole: bool, as_json: bool
) -> None:
    """What a run would do, and why: nothing runs.

    Each step is known from before, or would run, because something of it changed: the code of a function that it
    reaches, a package, an input, a parameter, a file or environment variable. What takes from a step that would run
    depends on what comes out of it: if that is the same as before, nothing below runs.
    """
    found = state.ws.plan(pipeline, dict(parameter(text) for text in params), as_of=as_of)
    output.emit(found, as_json=as_json, show=lambda forecast: _show(forecast, whole=whole))


def _show(forecast: Any, *, whole: bool) -> None:
    rows = [
        {"step": step.name, "plan": _WOULD[step.would], "because": because(step, whole=whole), "took": _took(step)}
        for step in forecast.steps
    ]
    output.table(rows, ["step", "plan", "because", "took"], empty="no steps")
    told = [f"{forecast.would_run} would run", f"{forecast.may_run} may run", f"{forecast.known} known already"]
    took = f"; they took {output.span(forecast.seconds)} before" if forecast.seconds else ""
    output.say(f"\n{', '.join(told)}{took}")


def because(step: Any, *, whole: bool = False) -> str:
    """The reasons in words, the first few of them."""
    upstream = [each.name for each in step.because if each.part == "upstream"]
    words = [reason(each) for each in step.because if each.part != "upstream"]
    cut = len(words) if whole else _FEW
    if len(words) > cut:
        words = [*words[:cut], f"and {len(words) - cut} more"]
    if upstream and step.would == "depends":
        words.append(f"on what {', '.join(upstream[:_FEW])} gives")
    return "; ".join(words)


def reason(found: Any) -> str:
    """One reason in words."""
    if found.part in _WHY:
        return _WHY[found.part]
    if found.part in {"code", "environ", "file"} or not (found.before and found.now):
        change = "changed" if found.before and found.now else "is new" if found.now else "is gone"
        return f"{found.part} {found.name} {change}"
    return f"{found.part} {found.name}: {found.before} → {found.now}"


def _took(step: Any) -> str:
    return output.span(step.seconds) if step.seconds and step.would in {"run", "depends"} else ""
