"""`mulle resources`: who uses what, who waits, what was wasted, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state

if TYPE_CHECKING:
    from mulle.resources.model import Cost, Holder, PoolNow, Queued, ResourcesNow, Waste

_POOLS = ["name:pool", "cpus", "memory", "gpus"]
_HOLDERS = ["step", "pipeline", "project", "user", "cpus", "memory", "gpus", "priority", "for", "step_run"]
_QUEUE = ["place", "step", "pipeline", "project", "user", "cpus", "memory", "gpus", "priority", "for", "why"]
_PAST = [
    *["ended", "step", "pipeline", "project", "cpus", "cpus_used:used", "memory", "peak", "gpus", "waited", "took"],
    *["outcome", "run"],
]
_WASTE = [
    *["step", "pipeline", "times", "cpus", "cpus_used:used", "memory", "peak", "gpus", "waited"],
    *["wasted_cpu_hours:cpu h wasted", "wasted", "cure"],
]


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=("mulle resources", "mulle resources waste", "mulle resources cost delay@3"),
)
@json_option
@click.pass_context
def resources(ctx: click.Context, as_json: bool) -> None:
    """Who uses what of the machine, who waits, what it cost.

    Without a command, what is held now and who waits for what.
    """
    if ctx.invoked_subcommand is None:
        state = ctx.find_object(State)
        assert state is not None
        output.emit(state.ws.resources.show(), as_json=as_json, show=_show_now)


@resources.command("show", verbs=("resources.show",), examples=("mulle resources show --json",))
@json_option
@pass_state
def show(state: State, as_json: bool) -> None:
    """What is held now, and who waits for what and why."""
    output.emit(state.ws.resources.show(), as_json=as_json, show=_show_now)


@resources.command("history", verbs=("resources.history",), examples=("mulle resources history --step train",))
@click.option("--project", default="", help="Only of this project.")
@click.option("--user", default="", help="Only of this user.")
@click.option("--pipeline", default="", help="Only of this pipeline.")
@click.option("--step", default="", help="Only of this step.")
@limit_option(30)
@json_option
@pass_state
def history(state: State, /, limit: int, as_json: bool, **only: str) -> None:
    """What steps held and what they used of it, the newest first."""
    found = list(state.ws.resources.history(limit, **only))
    output.emit(found, as_json=as_json, show=_show_past)


@resources.command("waste", verbs=("resources.waste",), examples=("mulle resources waste --pipeline delay",))
@click.option("--project", default="", help="Only of this project.")
@click.option("--pipeline", default="", help="Only of this pipeline.")
@limit_option(30)
@json_option
@pass_state
def waste(state: State, project: str, pipeline: str, limit: int, as_json: bool) -> None:
    """Which steps ask for more than they use, and what they should ask for."""
    found = list(state.ws.resources.waste(limit, project=project, pipeline=pipeline))
    output.emit(found, as_json=as_json, show=_show_waste)


@resources.command(
    "cost", verbs=("resources.cost",), examples=("mulle resources cost 0193…", "mulle resources cost delay@3")
)
@click.argument("of", metavar="RUN|MODEL@N")
@json_option
@pass_state
def cost(state: State, of: str, as_json: bool) -> None:
    """What a run cost, or all that taught a model version, and 1,000 of its predictions."""
    output.emit(state.ws.resources.cost(of), as_json=as_json, show=_show_cost)


def _show_now(now: ResourcesNow) -> None:
    output.table([_pool(pool) for pool in now.pools], _POOLS)
    output.say()
    output.table([_amounts(each) for each in now.holders], _HOLDERS, empty="nothing is held: mulle run")
    if now.queue:
        output.say()
        output.table([_amounts(each) | {"why": each.text} for each in now.queue], _QUEUE)
    if len({share.project for share in now.shares}) > 1:
        output.say()
        output.table(now.shares, ["project", "pool", "share", "weight", "had_hours:had h"])


def _pool(pool: PoolNow) -> dict[str, Any]:
    return {
        "name": pool.name,
        "cpus": f"{pool.cpus_held:g} of {pool.cpus:g}",
        "memory": f"{output.size(pool.memory_held)} of {output.size(pool.memory)}",
        "gpus": f"{pool.gpus_held:g} of {pool.gpus:g}" if pool.gpus else "none",
    }


def _amounts(each: Holder | Queued) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(each, name) for name in each.__struct_fields__}
    gang = f" ({each.gang} processes)" if each.gang > 1 else ""
    cpus, gpus = f"{each.cpus:g}{gang}", f"{each.gpus:g}" if each.gpus else ""
    memory = output.size(each.memory) if each.memory else ""
    return told | {"cpus": cpus, "memory": memory, "gpus": gpus, "for": output.span(each.seconds)}


def _show_past(found: Sequence[Any]) -> None:
    lines = []
    for past in found:
        told = {name: getattr(past, name) for name in past.__struct_fields__}
        used = past.cpu_seconds / past.seconds if past.seconds else 0.0
        told |= {"cpus": _given(past), "cpus_used": f"{used:.2f}", "gpus": f"{past.gpus:g}" if past.gpus else ""}
        told |= {"memory": output.size(past.memory) if past.memory else "", "peak": output.size(past.peak_memory)}
        lines.append(told | {"waited": output.span(past.waited), "took": output.span(past.seconds)})
    output.table(lines, _PAST, empty="nothing has run yet: mulle run")


def _given(past: Any) -> str:
    """The cores that a step was given, and how many it asked for where those are more."""
    return f"{past.cpus:g} of {past.asked_cpus:g}" if past.asked_cpus > past.cpus else f"{past.cpus:g}"


def _show_waste(found: Sequence[Waste]) -> None:
    lines = []
    for each in found:
        told: dict[str, Any] = {name: getattr(each, name) for name in each.__struct_fields__}
        told |= {"cpus": f"{each.cpus:g}", "cpus_used": f"{each.cpus_used:.2f}", "peak": output.size(each.peak_memory)}
        told |= {"memory": output.size(each.memory) if each.memory else "", "waited": output.span(each.waited)}
        told |= {"gpus": f"{each.gpus_used:.2f} of {each.gpus:g}" if each.gpus else ""}
        lines.append(told | {"wasted": f"{each.wasted:.4g} {each.currency}" if each.wasted else ""})
    output.table(lines, _WASTE, empty="nothing has run yet: mulle run")


def _show_cost(found: Cost) -> None:
    output.fields({
        "of": found.of,
        "cost": f"{found.cost:.4g} {found.currency}",
        "cpu hours": f"{found.cpu_hours:.4g}",
        "GiB hours": f"{found.gib_hours:.4g}",
        "gpu hours": f"{found.gpu_hours:.4g}" if found.gpu_hours else None,
        "predictions": found.predictions or None,
        "answering": f"{found.answering:.4g} {found.currency}" if found.predictions else None,
        "1,000 predictions": None if found.per_thousand is None else f"{found.per_thousand:.4g} {found.currency}",
        "not recorded": f"{found.unrecorded} step runs" if found.unrecorded else None,
        "note": found.note,
    })  # fmt: skip
    output.say()
    output.table(found.steps, ["step", "times", "cpu_hours:cpu h", "gib_hours:GiB h", "gpu_hours:gpu h", "cost"])
