"""`mulle studies`: searches, their trials and what they found out."""

from __future__ import annotations

import time
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option
from mulle.cli.tune import show_leaderboard

_BEAT = 1.0


class _Listing(Group):
    """A group that lists where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["list", *args] if asks else args)


@click.group(
    cls=_Listing, examples=("mulle studies", "mulle studies show delay", "mulle studies importance delay --json")
)
def studies() -> None:
    """Searches, their trials and what they found out."""


@studies.command("list", verbs=("studies.list",), examples=("mulle studies list",))
@limit_option(20)
@json_option
@pass_state
def list_(state: State, limit: int, as_json: bool) -> None:
    """The newest studies."""
    found = state.ws.studies.list(limit=limit)
    output.emit(found, as_json=as_json, show=_show_list)


def _show_list(found: Any) -> None:
    rows = [
        {
            "name": one.name,
            "status": one.status,
            "searches": one.question.pipeline or one.question.dataset,
            "metric": ", ".join(one.question.metrics),
            "best": one.best.values[0] if one.best else None,
            "trials": sum(one.counts.values()),
            "created": one.created,
        }
        for one in found
    ]
    columns = ["name", "status", "searches", "metric", "best", "trials", "created"]
    output.table(rows, columns, empty="no studies yet: mulle tune PIPELINE --space NAME=DOMAIN --metric METRIC")


@studies.command("show", verbs=("studies.show", "studies.trials"), examples=("mulle studies show delay --follow",))
@click.argument("study")
@click.option(
    "--follow", is_flag=True, help="Show the leaderboard again whenever it changes, until nobody works at it."
)
@limit_option(10)
@json_option
@pass_state
def show(state: State, study: str, limit: int, follow: bool, as_json: bool) -> None:
    """One study: what it searches, its leaderboard, and of AutoML what is known of the winner.

    With --json: the study's fields, and "trials", the best first.
    """
    found, trials = state.ws.studies.show(study), state.ws.studies.trials(study, limit=1_000_000)
    if as_json:
        output.say(output.encode({**_fields(found), "trials": trials[:limit]}))
        return
    _show(found, trials, limit)
    while follow and found.status == "running":
        time.sleep(_BEAT)
        before, found = found.counts, state.ws.studies.show(study)
        if found.counts != before or found.status != "running":
            click.clear()
            _show(found, state.ws.studies.trials(study, limit=1_000_000), limit)


def _fields(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def _show(found: Any, trials: Any, limit: int) -> None:
    from mulle.tuning.space import text_of  # noqa: PLC0415 - start-up time

    question, manner = found.question, found.manner
    goals = zip(question.directions, question.metrics, strict=True)
    output.fields({
        "study": found.name,
        "status": found.status,
        "pipeline": question.pipeline,
        "dataset": question.dataset,
        "goal": ", ".join(f"{direction} {metric}" for direction, metric in goals),
        "space": ", ".join(f"{name}={text_of(domain)}" for name, domain in question.space.items()),
        "params": question.params,
        "how": f"{manner.sampler}, {manner.pruner}, seed {manner.seed}" if question.kind == "tune" else "",
        "trials": ", ".join(f"{number} {status}" for status, number in found.counts.items()),
        "created": found.created,
    })  # fmt: skip
    output.say()
    show_leaderboard(found, trials, limit)
    failed = next((trial.error for trial in trials if trial.error), "")
    if failed:
        output.say(f"\na trial that failed said: {failed}")


@studies.command("importance", verbs=("studies.importance",), examples=("mulle studies importance delay",))
@click.argument("study")
@click.option("--objective", type=click.IntRange(min=0), default=0, help="Which of several objectives, from 0.")
@json_option
@pass_state
def importance(state: State, study: str, objective: int, as_json: bool) -> None:
    """How much each parameter matters: functional ANOVA over a random forest."""
    found = state.ws.studies.importance(study, objective)
    rows = [{"parameter": name, "share": share} for name, share in found.shares.items()]
    output.emit(found, as_json=as_json, show=lambda _: output.table(rows, ["parameter", "share"]))


@studies.command("stop", verbs=("studies.stop",), examples=('mulle studies stop delay --reason "good enough"',))
@click.argument("study")
@json_option
@reason_option
@pass_state
def stop(state: State, study: str, as_json: bool) -> None:
    """Ask the processes that work at a study to stop; what runs goes on when the study does."""
    found = state.ws.studies.stop(study)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"study {found.name} was asked to stop"))
