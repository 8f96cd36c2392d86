"""`mulle models`: models, versions, aliases."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, pass_state, reason_option


@click.group(
    cls=Group, examples=("mulle models list", "mulle models show delay@champion", "mulle models promote delay 3")
)
def models() -> None:
    """Models, versions and aliases.

    A version is named delay@3 or delay@champion; delay alone is the newest.
    """


@models.command("list", verbs=("models.list",), examples=("mulle models list",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every model with its newest version."""
    columns = ["name", "versions", "latest", "aliases", "metrics", "at"]
    found = list(state.ws.models.list())
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="no models yet: mulle run"))


@models.command("versions", verbs=("models.versions",), examples=("mulle models versions delay",))
@click.argument("name")
@json_option
@pass_state
def versions(state: State, name: str, as_json: bool) -> None:
    """All versions of a model, the newest first."""
    columns = ["number:version", "at", "aliases", "flavor", "metrics", "run"]
    output.emit(list(state.ws.models.versions(name)), as_json=as_json, show=output.rows(columns))


@models.command("show", verbs=("models.show",), examples=("mulle models show delay@3",))
@click.argument("ref")
@json_option
@pass_state
def show(state: State, ref: str, as_json: bool) -> None:
    """One version: signature, engines, metrics, lineage."""
    output.emit(state.ws.models.show(ref), as_json=as_json, show=_show)


def _show(version: Any) -> None:
    paths = ["ref", "at", "aliases", "flavor", "task", "metrics", "run", "step_run", "bundle", "report"]
    inputs, engine = version.inputs, version.engine
    learned = {"dataset": inputs.dataset, "views": [view.name for view in inputs.views], "key": inputs.key}
    served = {"engine": f"{engine.single} for one row, {engine.batch} for many"} if engine is not None else {}
    reason = {"not ONNX": engine.why_not.partition("\n")[0]} if engine is not None and engine.why_not else {}
    output.fields(output.parts(version, *paths) | learned | served | reason)
    output.say()
    output.table(output.part(version, "signature") or [], ["name:input", "kind"])


@models.command(
    "promote", verbs=("models.promote",), examples=('mulle models promote delay 3 --reason "better in July"',)
)
@click.argument("name")
@click.argument("version", type=int)
@click.option("--alias", default="champion", show_default=True, help="The alias to move.")
@json_option
@reason_option
@pass_state
def promote(state: State, name: str, version: int, alias: str, as_json: bool) -> None:
    """Point an alias at a version."""
    found = state.ws.models.promote(name, version, alias=alias, reason=state.reason)
    output.emit(
        found, as_json=as_json, show=lambda made: output.say(f"{made.name}@{made.alias} is version {made.number} now")
    )


@models.command("compare", verbs=("models.compare",), examples=("mulle models compare delay@1 delay@2",))
@click.argument("a")
@click.argument("b")
@json_option
@pass_state
def compare(state: State, a: str, b: str, as_json: bool) -> None:
    """Two versions side by side."""
    output.emit(state.ws.models.compare(a, b), as_json=as_json, show=_compare)


def _compare(found: Any) -> None:
    lines = [{"metric": name, "a": diff.a, "b": diff.b, "change": diff.change} for name, diff in found.metrics.items()]
    output.table(lines, ["metric", f"a:{found.a}", f"b:{found.b}", "change"])
    for name in ("inputs_added", "inputs_removed"):
        if output.part(found, name):
            output.say(f"{name.replace('_', ' ')}: {', '.join(output.part(found, name))}")
    if found.same_weights:
        output.say("the weights are the same")
