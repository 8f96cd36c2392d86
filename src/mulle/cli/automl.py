"""`mulle automl`: the best pipeline for a dataset within a budget, written as code of the project."""

from __future__ import annotations

import time
from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command, options
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option
from mulle.cli.tune import show_leaderboard

_options = options(
    click.option("--target", required=True, metavar="COLUMN", help="The column to predict."),
    click.option("--budget", default="60s", show_default=True, metavar="DURATION", help="How long it may take in all."),
    click.option("--metric", default="", help="What to be good at; roc_auc, log_loss or rmse by default."),
    click.option("--time", "at", default=None, metavar="COLUMN", help="Split by this time; the dataset's by default."),
    click.option("--group", default="", metavar="COLUMN", help="Rows with one value here stay together."),
    click.option("--ensemble/--no-ensemble", default=True, help="Whether several estimators may vote."),
    click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Fits at once."),
    click.option("--trials", type=click.IntRange(min=0), default=0, help="End after so many fits; 0: as time allows."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn."),
    click.option(
        "--output", default="", metavar="FILE", help="Where the winner is written; automl_TARGET.py by default."
    ),
    click.option("--study", default="", metavar="NAME", help="The study's name; automl-TARGET by default."),
)


@click.command(
    cls=Command,
    verbs=("studies.show", "studies.trials"),
    examples=(
        "mulle automl flights --target late --budget 60s",
        "mulle automl customers --target churned --group household --metric log_loss --output churn.py",
        "mulle studies show automl-late --json",
    ),
)
@click.argument("dataset")
@_options
@json_option
@reason_option
@pass_state
def automl(state: State, /, *, dataset: str, as_json: bool, **given: Any) -> int:
    """Find the best pipeline for a dataset within a budget.

    Gives a first answer within seconds, then tries pipelines of scikit-learn and LightGBM on few rows and on more
    while they are promising. Rows with an event time are split by it: the newest are judged by. The winner is written
    as plain code of the project, which retrains to the same score.
    """
    began = time.monotonic()
    from mulle.tuning.automl.spawning import spawn  # noqa: PLC0415 - start-up time

    spawned = [spawn() for _ in range(given["jobs"])]  # first of all: they take seconds to load their libraries
    try:
        return _search(state, dataset, given, spawned, began, as_json=as_json)
    finally:
        for one in spawned:
            one.process.kill()
            one.process.wait()


def _search(
    state: State, dataset: str, given: dict[str, Any], spawned: list[Any], began: float, *, as_json: bool
) -> int:
    from mulle.workspace.automl import Asked, seconds_of  # noqa: PLC0415 - start-up time

    asked = Asked(
        dataset=dataset,
        budget=seconds_of(given.pop("budget")),
        time=given.pop("at"),
        **given,
    )
    with progress(quiet=as_json) as shown:
        tell = lambda step: shown.step(_said(step), step.seconds, asked.budget)  # noqa: E731 - passed on
        found = state.ws.automl(asked, began=began, spawned=spawned, on_step=tell)
    if as_json:
        output.say(output.encode(found))
    else:
        _show(found)
    return 0


def _said(step: Any) -> str:
    return f"{output.number(step.score)} {step.text} ({step.fits} fits)"


def _show(found: Any) -> None:
    show_leaderboard(found.study, found.trials)
    report = found.study.report
    for warning in found.warnings:
        output.say(f"\nwarning: {warning}")
    if report["importance"]:
        output.say()
        output.table(report["importance"][:8], ["column", f"worth:{found.metric} lost"])
    if report["slices"]:
        output.say()
        output.table(report["slices"][:5], ["column:worst where", "value:is", "rows", f"score:{found.metric}"])
    told = "not fitted to all rows, there was no time" if found.score is None else f"{found.score:.4f} on unseen rows"
    members = len(report["members"])
    what = report["members"][0]["learner"] if members == 1 else f"{members} estimators that vote"
    output.say(f"\n{found.metric} {told}: {what}, {report['fits']} fits in {output.span(found.seconds)}")
    output.say(f"wrote {found.file}\nretrain it: {found.run}")
