"""Gates in the catalog: each new version of a deployed model is judged once, and a rollout begins where it passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from sqlalchemy import bindparam, func, insert, select

from mulle.catalog import Tx
from mulle.delivery import rollouts
from mulle.delivery.declare import BetterThanChampion, DeploymentDefinition, LatencyP99, NoSliceWorse
from mulle.delivery.gate import Subject, Verdict, judge
from mulle.delivery.model import GateVerdict
from mulle.delivery.rollouts import as_verdict
from mulle.delivery.tables import rollout, verdict
from mulle.errors import MulleError
from mulle.registry import ModelVersion
from mulle.registry.versions import newest
from mulle.stats.evaluation import Report

if TYPE_CHECKING:
    from mulle.delivery.world import World

_COMPARING = (BetterThanChampion, NoSliceWorse)
_JUDGED = select(func.max(verdict.c.version)).where(
    verdict.c.deployment == bindparam("deployment"), verdict.c.model == bindparam("model")
)
_EMPTY = Report({}, {}, [], "binary", "")


def judge_candidates(world: World, champions: Mapping[str, ModelVersion]) -> list[GateVerdict]:
    """Judge the newest version of each deployed model, if nobody has; the verdict and the rollout's row go together.

    Args:
        world: the ports.
        champions: deployment → the version that serves; nothing for one that does not serve yet.
    """
    found = []
    with world.catalog.read() as tx:
        numbers = {one.name: _unjudged(tx, one) for one in world.rules.deployments.values()}
    for definition in world.rules.deployments.values():
        number = numbers[definition.name]
        if number is None:
            continue
        candidate = world.registry.show(f"{definition.model}@{number}")
        champion = champions.get(definition.name)
        if champion is not None and champion.ref == candidate.ref:
            continue
        made = judge_version(world, definition, candidate, champion)
        recorded = _record(world, definition, candidate, champion, made)
        found += [recorded] if recorded is not None else []
    return found


def _unjudged(tx: Tx, definition: DeploymentDefinition) -> int | None:
    """The newest version of the deployment's model, unless it was judged."""
    number = newest(tx, definition.model)
    place = {"deployment": definition.name, "model": definition.model}
    return number if number > int(tx.scalar(_JUDGED, place) or 0) else None


def judge_version(
    world: World, definition: DeploymentDefinition, candidate: ModelVersion, champion: ModelVersion | None
) -> Verdict:
    """What the deployment's gate says about a version; nothing is recorded."""
    report = world.registry.report(candidate)
    if report is None:
        if not definition.gate:
            return Verdict(True, [])
        return judge(definition.gate, Subject(_EMPTY, problem=f"{candidate.ref} was registered without a report"))
    timed = any(isinstance(check, LatencyP99) for check in definition.gate)
    latency = world.stopwatch(candidate) if timed else None
    try:
        compared = champion is not None and any(isinstance(one, _COMPARING) for one in definition.gate)
        scores = (
            None if champion is None or not compared else np.asarray(world.registry.load(champion).score(report.rows))
        )
    except MulleError as error:
        reason = f"the champion cannot score the candidate's rows: {error.message}"
        return judge(definition.gate, Subject(report, None, latency, problem=reason))
    return judge(definition.gate, Subject(report, scores, latency))


def _record(
    world: World,
    definition: DeploymentDefinition,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    made: Verdict,
) -> GateVerdict | None:
    former = champion.ref if champion is not None else ""
    with world.catalog.write() as tx:
        place = (verdict.c.deployment == definition.name, verdict.c.model == candidate.name)
        if tx.one(select(verdict.c.version).where(*place, verdict.c.version == candidate.number)) is not None:
            return None
        payload = {"deployment": definition.name, "passed": made.passed, "champion": former}
        event = tx.event(
            f"model:{candidate.ref}", payload, verb="rollouts.judge", reason=made.reason, cause=candidate.event
        )
        row: dict[str, Any] = {"deployment": definition.name, "model": candidate.name, "version": candidate.number}
        row |= {"at": tx.now, "champion": former, "passed": made.passed, "reason": made.reason, "event": event}
        row["checks"] = [msgspec.to_builtins(check) for check in made.checks]
        tx.execute(insert(verdict).values(**row))
        recorded = msgspec.convert(row, GateVerdict)
        rolled = tx.one(
            select(rollout.c.id).where(rollout.c.model == candidate.name, rollout.c.version == candidate.number)
        )
        if made.passed and rolled is None:
            rollouts.begin(tx, recorded, former)
        return recorded


__all__ = ["as_verdict", "judge_candidates", "judge_version"]
