"""`mulle step`: one step of a pipeline, for workflow engines that bring a run to its end node by node."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state, reason_option


@click.command(
    cls=Command,
    verbs=("exports.step",),
    examples=("mulle step delay train --run-key nightly-7", "mulle step delay train --run-key nightly-7 --json"),
)
@click.argument("pipeline")
@click.argument("step")
@click.option("--run-key", "key", required=True, metavar="KEY", help="Names the run; the same for all of its steps.")
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@click.option("--as-of", default=None, metavar="INSTANT", help="Read data as of this instant.")
@click.option("--executor", default=None, metavar="NAME", help="Where the step runs; what the settings say by default.")
@click.option(
    "--items", is_flag=True, help="Do nothing; say which steps STEP means: a mapped one has one for each item."
)
@click.option(
    "--skipped-as", type=click.IntRange(0, 255), default=0, metavar="CODE", help="Exit so when it is skipped."
)
@json_option
@reason_option
@pass_state
def step(
    state: State,
    *,
    pipeline: str,
    step: str,
    key: str,
    params: tuple[str, ...],
    as_of: str | None,
    executor: str | None,
    items: bool,
    skipped_as: int,
    as_json: bool,
) -> int:
    """Do exactly one step of a run that something else drives.

    All steps of a run are called with the same --run-key and parameters, each after those that it depends on. The first
    call begins the run and fixes what it reads. Memo, digests and lineage are those of `mulle run`. A step that is done
    is not done again, so it may be called again after a failure. `mulle export pipeline` writes such calls.
    """
    given = dict(parameter(text) for text in params)
    if items:
        names = state.ws.items(pipeline, step, key, given, as_of=as_of)
        output.emit(names, as_json=as_json, show=lambda found: output.say("\n".join(found)))
        return 0
    result = state.ws.step(pipeline, step, key, given, as_of=as_of, executor=executor)
    output.emit(result, as_json=as_json, show=_show)
    if result.status == "failed":
        return FAILURE
    skipped = bool(result.steps) and all(one.status == "skipped" for one in result.steps)
    return skipped_as if skipped else 0


def _show(result: Any) -> None:
    for one in result.steps:
        digests = ", ".join(output.short(each.digest) for each in one.outputs)
        output.say(f"{output.status(one.status)} {one.name}: {digests or 'no output'}")
    if result.error:
        click.echo(result.error, err=True)
