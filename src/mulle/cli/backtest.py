"""`mulle backtest`: the production loop over history, in virtual time."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import DefaultGroup
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option
from mulle.types import instant

POLICIES = ("never", "monthly", "weekly", "daily", "drift", "quality", "combined")


@click.group(
    cls=DefaultGroup,
    default="run",
    examples=("mulle backtest delay --policy never --policy monthly --policy drift", "mulle backtest list"),
)
def backtest() -> None:
    """Replay history under several retraining policies."""


@backtest.command(
    "run",
    verbs=("backtests.run",),
    examples=("mulle backtest run delay --policy never --policy monthly --start 2013-02-01",),
)
@click.argument("deployment", default="")
@click.option("--policy", "policies", multiple=True, type=click.Choice(POLICIES), help="When to retrain; repeat it.")
@click.option("--start", default=None, metavar="INSTANT", help="Where the replay begins.")
@click.option("--end", default=None, metavar="INSTANT", help="Where it ends; the newest data by default.")
@click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
@json_option
@reason_option
@pass_state
def run(
    state: State,
    *,
    deployment: str,
    policies: tuple[str, ...],
    start: str | None,
    end: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Replay history under each policy, and compare quality, cost and regret.

    Only clock, arrivals and catalog are replaced; triggers, gates and rollouts are those of production. The workspace
    is not changed, but for one event in the ledger and the report.
    """
    begin, finish = (instant(text) if text else None for text in (start, end))
    with progress(quiet=as_json) as shown:
        found = state.ws.backtests.replay(
            deployment,
            list(policies) or ["never", "monthly"],
            start=begin,
            end=finish,
            seed=seed,
            on_progress=shown.step,
        )
    output.emit(found, as_json=as_json, show=show_report)


@backtest.command("list", verbs=("backtests.list",), examples=("mulle backtest list",))
@limit_option(20)
@json_option
@pass_state
def list_(state: State, limit: int, as_json: bool) -> None:
    """The backtests that were made."""
    columns = ["id", "at", "deployment", "start", "end", "policies"]
    found = list(state.ws.backtests.list(limit=limit))
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="no backtests yet"))


@backtest.command("show", verbs=("backtests.show",), examples=("mulle backtest show 0193…",))
@click.argument("backtest_id", metavar="BACKTEST")
@json_option
@pass_state
def show(state: State, backtest_id: str, as_json: bool) -> None:
    """One backtest's report."""
    output.emit(state.ws.backtests.show(backtest_id), as_json=as_json, show=show_report)


def show_report(found: Any) -> None:
    """Policies side by side."""
    output.fields(
        output.parts(found, "id", "deployment", "start", "end", "questions", "labelled", "distinct_trainings")
    )
    output.say()
    main, second = found.metrics
    lines = [_line(name, policy) for name, policy in [*found.policies.items(), ("(oracle)", found.oracle)]]
    columns = [
        "policy",
        f"mean_auc:{main}",
        f"mean_log_loss:{second}",
        "retrainings",
        "promotions",
        "alerts",
        "cpu",
        "regret",
    ]
    output.table(lines, columns)


def _line(name: str, policy: Any) -> dict[str, Any]:
    figures = output.parts(policy, "mean_auc", "mean_log_loss", "retrainings", "promotions", "alerts", "regret")
    return figures | {"policy": name, "cpu": output.span(policy.cpu_seconds)}
