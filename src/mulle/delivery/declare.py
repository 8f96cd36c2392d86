"""What a project says about delivery: deployments with their gates and rollouts, and the triggers of its pipelines.

These are words only: frozen records that the project version names. The rules are in the modules beside this one.
"""

from __future__ import annotations

import typing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mulle.definitions import define
from mulle.errors import DeliveryError, unknown
from mulle.types import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = timedelta(days=1)


Missed = Literal["skip", "latest", "all"]


class BetterThanChampion(msgspec.Struct, frozen=True, tag="better_than_champion", tag_field="kind"):
    """On the candidate's evaluation rows its gain over the champion is surely more than `by`."""

    metric: str
    by: float = 0.0
    confidence: float = 0.9


class NoSliceWorse(msgspec.Struct, frozen=True, tag="no_slice_worse", tag_field="kind"):
    """In no slice with `min_rows` rows or more is the candidate worse than the champion by more than `by`."""

    column: str
    by: float
    metric: str = ""
    min_rows: int = 200


class AtLeast(msgspec.Struct, frozen=True, tag="at_least", tag_field="kind"):
    """The candidate's own metric reaches `value` (for a metric where less is better: stays below it)."""

    metric: str
    value: float


class LatencyP99(msgspec.Struct, frozen=True, tag="latency_p99", tag_field="kind"):
    """Ninety-nine of a hundred one-row predictions take at most `limit` in the serving environment."""

    limit: timedelta


Check = BetterThanChampion | NoSliceWorse | AtLeast | LatencyP99


class Stage(msgspec.Struct, frozen=True):
    """One stage of a rollout: which part of the answers the candidate gives, and for how long it is watched there."""

    kind: str
    percent: float
    period: timedelta


class DeploymentDefinition(msgspec.Struct, frozen=True):
    """A deployment, the model it serves, the checks before a version may serve, and how traffic moves to it."""

    name: str
    model: str
    gate: tuple[Check, ...]
    rollout: tuple[Stage, ...]


class Demand(msgspec.Struct, frozen=True, tag="demand", tag_field="kind"):
    """Somebody asked."""


class Schedule(msgspec.Struct, frozen=True, tag="schedule", tag_field="kind"):
    """A cron expression in UTC, and what becomes of instants at which the wheel did not turn.

    `missed`: "latest" starts once for all of them, "all" once for each, "skip" not at all. With `as_of` a run reads its
    data as of the instant that it was scheduled for, and gets it as the parameter `as_of` where it has one.
    """

    cron: str
    missed: Missed = "latest"
    as_of: bool = False


class NewData(msgspec.Struct, frozen=True, tag="new_data", tag_field="kind"):
    """So many rows came since the last firing."""

    dataset: str
    rows: int


class QualityDrop(msgspec.Struct, frozen=True, tag="quality_drop", tag_field="kind"):
    """The realised metric fell below what the champion was judged at by more than `by`, and surely so."""

    deployment: str
    metric: str
    by: float


class Drifted(msgspec.Struct, frozen=True, tag="drifted", tag_field="kind"):
    """A drift alert was raised."""

    deployment: str


Cause = Demand | Schedule | NewData | QualityDrop | Drifted


class TriggerDefinition(msgspec.Struct, frozen=True):
    """What starts a pipeline, and how long the pipeline is left alone after it was started."""

    pipeline: str
    on: tuple[Cause, ...]
    cooldown: timedelta = timedelta(0)


def better_than_champion(metric: str, by: float = 0.0, *, confidence: float = 0.9) -> BetterThanChampion:
    """The candidate is better than the champion by more than `by`, at this one-sided confidence (paired bootstrap)."""
    return BetterThanChampion(metric, by, confidence)


def no_slice_worse(column: str, by: float, *, metric: str = "", min_rows: int = 200) -> NoSliceWorse:
    """No slice of the column is worse by more than `by` in the metric (the task's main one when none is named)."""
    return NoSliceWorse(column, by, metric, min_rows)


def at_least(metric: str, value: float) -> AtLeast:
    """The candidate's own metric is at least this good; asked of a first version too, which has no champion to beat."""
    return AtLeast(metric, value)


def latency_p99(limit: str | timedelta) -> LatencyP99:
    """The 99th percentile of one-row predictions, measured on the evaluation rows."""
    return LatencyP99(duration(limit))


def shadow(period: str | timedelta) -> Stage:
    """The candidate answers everything beside the champion; its answers are logged, not sent."""
    return Stage("shadow", 0.0, duration(period))


def canary(percent: float, period: str | timedelta) -> Stage:
    """The candidate answers this percentage of the keys."""
    if not 0 < percent < 100:  # noqa: PLR2004
        raise DeliveryError(
            f"canary({percent}) is not a part of the traffic", cause="a percentage between 0 and 100", cure="use full()"
        )
    return Stage("canary", float(percent), duration(period))


def full() -> Stage:
    """The candidate answers everything: it is the champion."""
    return Stage("full", 100.0, timedelta(0))


def schedule(cron: str, *, missed: Missed = "latest", as_of: bool | None = None) -> Schedule:
    """At these instants (cron, five fields, UTC).

    Args:
        cron: which instants.
        missed: what becomes of those at which the wheel did not turn, as when the machine was off: one start for all of
            them ("latest"), one for each, the oldest first ("all"), or none ("skip").
        as_of: whether the run reads its data as of the instant that it was scheduled for, which it also gets as its
            parameter `as_of`, if it has one; by default only with missed="all", whose runs would be all the same.
    """
    from croniter import croniter  # noqa: PLC0415 - start-up time: only projects with a schedule pay for it

    if not croniter.is_valid(cron):
        raise DeliveryError(
            f"'{cron}' is not a cron expression",
            cause="five fields are needed: minute hour day month weekday",
            cure='write for example "0 4 1 * *" (04:00 on the first of each month)',
        )
    if missed not in typing.get_args(Missed):
        raise unknown("policy", missed, typing.get_args(Missed), cure='missed="latest"')
    return Schedule(cron, missed, missed == "all" if as_of is None else as_of)


def new_data(dataset: Any, *, rows: int) -> NewData:
    """When so many rows came since the pipeline was last started."""
    return NewData(_name(dataset), rows)


def quality_drop(deployment: str, metric: str, by: float) -> QualityDrop:
    """When the deployment's quality monitor sees the metric worse than at judgement by more than `by`."""
    return QualityDrop(deployment, metric, by)


def drifted(deployment: str) -> Drifted:
    """When the deployment's drift monitor raises an alert."""
    return Drifted(deployment)


def demand() -> Demand:
    """When somebody asks; always possible, and here for projects that want nothing else."""
    return Demand()


def deployment(
    name: str, *, model: str, gate: Sequence[Check] = (), rollout: Sequence[Stage] = ()
) -> DeploymentDefinition:
    """Define a served endpoint."""
    stages = tuple(rollout) or (full(),)
    if stages[-1].kind != "full" or any(stage.kind == "full" for stage in stages[:-1]):
        raise DeliveryError(
            f"the rollout of '{name}' does not end with full()",
            cause="a candidate either becomes the champion at the end or is rolled back on the way",
            cure="make full() the last stage, and the only one of its kind",
        )
    definition = DeploymentDefinition(name, model, tuple(gate), stages)
    define("deployment", name, definition)
    return definition


def trigger(pipeline: Any, *, on: Sequence[Cause], cooldown: str | timedelta = timedelta(0)) -> TriggerDefinition:
    """Define what starts a pipeline."""
    definition = TriggerDefinition(_name(pipeline), tuple(on), duration(cooldown))
    define("trigger", definition.pipeline, definition)
    return definition


def _name(thing: Any) -> str:
    if isinstance(thing, str):
        return thing
    return str(getattr(thing, "name", None) or getattr(thing, "__name__", thing))
