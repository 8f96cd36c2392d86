"""`mulle tune`: search over the parameters of a pipeline, with a live leaderboard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command, options
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state, reason_option

SAMPLERS = ["tpe", "random", "grid", "cmaes", "nsga2", "nsga3", "qmc", "gp"]
PRUNERS = ["asha", "hyperband", "median", "none"]
SHOWN = 10
_PER_SECOND = 4
_SPACE = "A parameter, and where to look: uniform(0,1), log(0.01,0.3), int(3,12), logint(1,1000), choice(30d,90d)."
_METRIC = "What to look at: a metric that a step logs or a report has; repeat it. By default what mulle.report tells."
_DIRECTION = "Which way is better, one a metric; by default losses and errors are minimized, all else maximized."
_STUDY = "The study, which goes on where it is there; the pipeline's name by default."
_WAYS = click.Choice(["maximize", "minimize"])
_options = options(
    click.option("--space", "-s", "spaces", multiple=True, metavar="NAME=DOMAIN", help=_SPACE),
    click.option("--metric", "-m", "metrics", multiple=True, metavar="METRIC", help=_METRIC),
    click.option("--direction", "directions", multiple=True, type=_WAYS, help=_DIRECTION),
    click.option("--trials", type=click.IntRange(min=1), help="How many the study has in the end; 50 by default."),
    click.option("--timeout", metavar="DURATION", help="End after this time, as 10m; what runs then waits to go on."),
    click.option("--sampler", type=click.Choice(SAMPLERS), help="What chooses parameters; tpe by default."),
    click.option("--pruner", type=click.Choice(PRUNERS), help="What ends hopeless trials; asha by default."),
    click.option("--jobs", "-j", type=click.IntRange(min=1), help="How many trials run at once; 1 by default."),
    click.option("--seed", type=int, help="Of all that is drawn; 0 by default."),
    click.option("--study", default="", metavar="NAME", help=_STUDY),
    click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of all trials."),
    click.option("--executor", type=click.Choice(["in-process", "process", "ray"]), help="Where the steps run."),
)


@click.command(
    cls=Command,
    verbs=("studies.show", "studies.trials"),
    examples=(
        'mulle tune delay --metric roc_auc --space "learning_rate=log(0.01,0.3)" --space "window=choice(30d,90d)"',
        "mulle tune --study delay --trials 100 --jobs 2",
        'mulle tune delay --metric roc_auc --metric seconds --space "depth=int(3,12)" --sampler nsga2',
        "mulle run --from-study delay",
    ),
)
@click.argument("pipeline", default="")
@_options
@json_option
@reason_option
@pass_state
def tune(
    state: State,
    /,
    *,
    pipeline: str,
    spaces: tuple[str, ...],
    study: str,
    as_json: bool,
    executor: str | None,
    **given: Any,
) -> int:
    """Search over the parameters of a pipeline; each trial is a run.

    Trials with the same parameters, and steps that several trials share, are computed once. What is killed goes on:
    call it again with the same study. Several calls may work at one study at once. With --json the answer is
    {"study", "trials", "stopped", "seconds"}, the trials as a leaderboard.
    """
    from mulle.tuning.space import named  # noqa: PLC0415 - start-up time
    from mulle.types import duration  # noqa: PLC0415 - start-up time

    space = dict(named(text) for text in spaces)
    settings = {
        "metric": list(given["metrics"]),
        "direction": list(given["directions"]),
        "params": dict(parameter(text) for text in given["params"]),
        "timeout": None if given["timeout"] is None else duration(given["timeout"]).total_seconds(),
        **{name: given[name] for name in ("trials", "sampler", "pruner", "jobs", "seed")},
    }
    with _live(quiet=as_json) as shown:
        result = state.ws.tune(pipeline, space, study=study, executor=executor, on_change=shown, **settings)
    if as_json:
        output.say(output.encode(result))
    else:
        show_leaderboard(result.study, result.trials)
        output.say(f"\n{_ended(result)}")
    return 0 if result.study.best is not None else FAILURE


def show_leaderboard(study: Any, trials: Sequence[Any], limit: int = SHOWN) -> None:
    """The best trials as a table, and how many there are in all."""
    if study.question.kind == "automl":
        names, last = ["learner", "encoding", "rows"], "settings"
    else:
        names, last = list(study.question.space), "run"
    rows = [_row(study, trial, names) for trial in trials[:limit]]
    columns = ["trial", "status", *study.question.metrics, *names, "took", last]
    output.table(rows, columns, empty="no trials yet")
    rest = len(trials) - limit
    if rest > 0:
        output.say(f"and {rest} more: mulle studies show {study.name} --limit {len(trials)}")


def _row(study: Any, trial: Any, names: Sequence[str]) -> dict[str, Any]:
    last = [trial.reports[-1].value] if trial.reports and not trial.values else []
    values = dict(zip(study.question.metrics, [*trial.values, *last], strict=False))
    took = "" if trial.seconds is None else output.span(trial.seconds)
    row = {"trial": trial.number, "status": output.status(trial.status), "took": took, "run": trial.run}
    row["settings"] = {name: value for name, value in trial.params.items() if name not in names}
    row["rows"] = trial.reports[-1].step if trial.reports else None
    row |= {metric: values.get(metric) for metric in study.question.metrics}
    return row | {name: trial.params[name] for name in names if name in trial.params}


def _ended(result: Any) -> str:
    study = result.study
    why = {"trials": "", "timeout": ", out of time", "asked": ", stopped", "space": ", nothing left to try"}[
        result.stopped
    ]
    counts = ", ".join(f"{number} {status}" for status, number in study.counts.items())
    head = f"study {study.name}: {counts}{why}, {output.span(result.seconds)}"
    if study.best is None:
        failed = next((trial.error for trial in result.trials if trial.error), "")
        return f"{head}\nno trial is complete{': ' + failed if failed else ''}"
    chosen = ", ".join(f"{name}={output.cell(value)}" for name, value in study.best.params.items())
    return f"{head}\nbest: {output.cell(study.best.values[0])} by {chosen}\nrun it: mulle run --from-study {study.name}"


@contextmanager
def _live(*, quiet: bool) -> Iterator[Callable[[list[Any], float], None] | None]:
    """Shows the leaderboard as it changes: drawn anew on a terminal, a line a trial elsewhere, nothing when quiet."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield _lines()
    else:
        from rich.console import Console  # noqa: PLC0415 - start-up time
        from rich.live import Live  # noqa: PLC0415 - start-up time

        with Live(console=Console(stderr=True), transient=True, refresh_per_second=_PER_SECOND) as live:
            yield lambda trials, seconds: live.update(_drawn(trials, seconds))


def _lines() -> Callable[[list[Any], float], None]:
    told: set[int] = set()

    def tell(trials: list[Any], _: float) -> None:
        for trial in trials:
            if trial.ended is not None and trial.number not in told:
                told.add(trial.number)
                values = " ".join(output.cell(value) for value in trial.values)
                click.echo(f"trial {trial.number} {trial.status} {values} {output.cell(trial.params)}", err=True)

    return tell


def _drawn(trials: Sequence[Any], seconds: float) -> Any:
    from rich import box  # noqa: PLC0415 - start-up time
    from rich.table import Table  # noqa: PLC0415 - start-up time

    over = sum(trial.ended is not None for trial in trials)
    table = Table(box=box.SIMPLE_HEAD, title=f"{over} trials over, {output.span(seconds)}", title_justify="left")
    for header in ("trial", "status", "value", "at step", "parameters"):
        table.add_column(header)
    newest = sorted(trials, key=lambda trial: (trial.ended is not None, -trial.number))[: SHOWN + 2]
    for trial in newest:
        last = trial.reports[-1] if trial.reports else None
        value = trial.values[0] if trial.values else (last.value if last else None)
        step = "" if last is None else str(last.step)
        table.add_row(str(trial.number), trial.status, output.cell(value), step, output.cell(trial.params))
    return table
