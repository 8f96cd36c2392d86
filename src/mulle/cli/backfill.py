"""`mulle backfill`: a pipeline run for each window of a range, and each partition, that has no run yet."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import DefaultGroup
from mulle.cli.progress import progress
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option
from mulle.types import instant

_WINDOW = ["number", "key", "status", "run", "seconds", "error"]
_LIST = ["id", "at", "pipeline", "every", "partition", "status", "counts"]


@click.group(
    cls=DefaultGroup,
    default="run",
    examples=(
        "mulle backfill delay --from 2013-01-01 --to 2013-06-01 --every 1w --jobs 2",
        "mulle backfill delay --from 2013-01-01 --to 2013-06-01 --every 1w --dry-run",
        "mulle backfill status",
    ),
)
def backfill() -> None:
    """Run a pipeline for what is missing of a range."""


@backfill.command(
    "run",
    verbs=("backfills.run", "backfills.plan"),
    examples=(
        "mulle backfill run delay --from 2013-01-01 --to 2013-06-01 --every 1d",
        'mulle backfill run delay --from 2013-01-01 --to 2013-12-31 --every "0 4 1 * *" --newest-first',
        "mulle backfill run report --partition flights:carrier --param carrier={partition}",
    ),
)
@click.argument("pipeline")
@click.option("--from", "start", default=None, metavar="INSTANT", help="Where the first window begins.")
@click.option("--to", "end", default=None, metavar="INSTANT", help="The last window ends no later.")
@click.option(
    "--every", default="", metavar="LENGTH", help="How long a window is (1d, 1w), or a cron expression in UTC."
)
@click.option("--partition", default="", metavar="DATASET:COLUMN", help="A run for each value of a column.")
@click.option(
    "--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; may say {start}, {end}."
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="So many windows at a time.")
@click.option("--newest-first", is_flag=True, help="Begin with the newest window.")
@click.option("--again", is_flag=True, help="Run windows that have a run already, too.")
@click.option("--dry-run", is_flag=True, help="Only say which windows would be run.")
@json_option
@reason_option
@pass_state
def run(
    state: State,
    /,
    *,
    pipeline: str,
    start: str | None,
    end: str | None,
    params: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **more: Any,
) -> int:
    """Run a pipeline for each window of a range, or each partition of a dataset, that has no run yet.

    Each run reads its data as of the end of its window. A window has a run when one with the same parameters and
    instant has succeeded, whoever started it; so the same command goes on where it was stopped or killed. A window that
    fails stops no other; the exit code is then 1.
    """
    from mulle.delivery.backfill.model import Request  # noqa: PLC0415 - start-up time

    request = Request(
        pipeline=pipeline,
        start=None if start is None else instant(start),
        end=None if end is None else instant(end),
        params=dict(parameter(text) for text in params),
        **more,
    )
    if dry_run:
        planned = list(state.ws.backfills.plan(request))
        output.emit(planned, as_json=as_json, show=output.rows(["number", "key", "status", "run", "params"]))
        return 0
    with progress(quiet=as_json) as shown:
        found = state.ws.backfills.fill(request, shown.step)
    output.emit(found, as_json=as_json, show=show_report)
    return 0 if found.status == "succeeded" else FAILURE


@backfill.command(
    "status", verbs=("backfills.show",), examples=("mulle backfill status", "mulle backfill status 0193…")
)
@click.argument("backfill_id", metavar="[BACKFILL]", default="")
@json_option
@pass_state
def status(state: State, backfill_id: str, as_json: bool) -> None:
    """One backfill and the state of each of its windows; the newest where none is named."""
    output.emit(state.ws.backfills.show(backfill_id), as_json=as_json, show=show_report)


@backfill.command("list", verbs=("backfills.list",), examples=("mulle backfill list --pipeline delay",))
@click.option("--pipeline", default="", help="Only backfills of this pipeline.")
@limit_option(20)
@json_option
@pass_state
def list_(state: State, pipeline: str, limit: int, as_json: bool) -> None:
    """The backfills, the newest first."""
    found = list(state.ws.backfills.list(pipeline, limit=limit))
    output.emit(found, as_json=as_json, show=output.rows(_LIST, empty="no backfills yet"))


@backfill.command(
    "cancel", verbs=("backfills.cancel",), examples=('mulle backfill cancel 0193… --reason "wrong range"',)
)
@click.argument("backfill_id", metavar="BACKFILL")
@json_option
@reason_option
@pass_state
def cancel(state: State, backfill_id: str, as_json: bool) -> None:
    """Ask a backfill to end; its process does so within a second."""
    found = state.ws.backfills.cancel(backfill_id)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"backfill {found.id} was asked to end"))


def show_report(found: Any) -> None:
    """The backfill, then its windows."""
    output.fields(output.parts(found, "id", "pipeline", "at", "every", "partition", "params", "status", "counts"))
    output.say()
    output.table(found.windows, _WINDOW, empty="no windows")
    if found.status in {"failed", "stopped", "cancelled"}:
        output.say("\nthe same command again runs what is missing")
