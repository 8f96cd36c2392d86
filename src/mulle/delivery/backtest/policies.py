"""Policies as data: which causes start the pipeline, everything else as the project declares it. No rule lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from mulle.delivery.declare import Cause, DeploymentDefinition, Drifted, QualityDrop, Schedule, TriggerDefinition, full
from mulle.delivery.world import Rules
from mulle.errors import unknown
from mulle.monitoring.declare import Quality

NAMES = ("never", "monthly", "weekly", "daily", "drift", "quality", "combined")
ORACLE = "oracle"

_SCHEDULES = {"monthly": "0 4 1 * *", "weekly": "0 4 * * 1", "daily": "0 4 * * *"}
_ORACLE = "0 0 * * 1"
_DROP = 0.02

Policies = Mapping[str, Sequence[Cause]]


def causes(policy: str, declared: TriggerDefinition, deployment: str, metric: str) -> list[Cause]:
    """The causes of a named policy, with the project's own settings where it has any.

    Raises:
        UnknownNameError: there is no such policy.
    """
    if policy in _SCHEDULES:
        return [Schedule(_SCHEDULES[policy])]
    if policy == "never":
        return []
    if policy == "drift":
        return [one for one in declared.on if isinstance(one, Drifted)] or [Drifted(deployment)]
    if policy == "quality":
        return [one for one in declared.on if isinstance(one, QualityDrop)] or [QualityDrop(deployment, metric, _DROP)]
    if policy == "combined":
        return list(declared.on)
    raise unknown("policy", policy, NAMES, cure="use one of these, or give a policy as a list of causes")


def rules_for(rules: Rules, pipeline: str, deployment: DeploymentDefinition, on: Sequence[Cause]) -> Rules:
    """The project's rules with another list of causes for the pipeline."""
    declared = rules.triggers.get(pipeline) or TriggerDefinition(pipeline, ())
    trigger = TriggerDefinition(pipeline, tuple(on), declared.cooldown)
    monitors = {name: one for name, one in rules.monitors.items() if name == deployment.name}
    return replace(rules, triggers={pipeline: trigger}, deployments={deployment.name: deployment}, monitors=monitors)


def oracle_rules(rules: Rules, pipeline: str, deployment: DeploymentDefinition, every: timedelta) -> Rules:
    """What nobody can afford: retrain at least weekly, no gate, all traffic at once, nothing watched."""
    cron = "0 0 * * *" if every <= timedelta(days=1) else _ORACLE
    bare = DeploymentDefinition(deployment.name, deployment.model, (), (full(),))
    trigger = TriggerDefinition(pipeline, (Schedule(cron),))
    return replace(rules, triggers={pipeline: trigger}, deployments={deployment.name: bare}, monitors={})


def main_metric(rules: Rules, deployment: str) -> str:
    """The metric that the deployment's quality is watched by, where one is."""
    watched = rules.monitors.get(deployment)
    declared = [one.metric for one in watched.watches if isinstance(one, Quality)] if watched is not None else []
    return declared[0] if declared else "roc_auc"
