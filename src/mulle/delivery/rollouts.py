"""Rollouts in the catalog: what was seen is gathered, the pure rule decides, and traffic follows the row that says so.

The row of a rollout is moved first; then traffic is brought to what the row asks for, which may be repeated: after a
crash between the two the next turn does it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import polars as pl
from sqlalchemy import insert, select, update

from mulle.catalog import Catalog, Tx
from mulle.delivery import stages as rule
from mulle.delivery.declare import DeploymentDefinition, Stage, full
from mulle.delivery.model import GateVerdict, Moved, Rollout
from mulle.delivery.tables import rollout, verdict
from mulle.errors import DeliveryError, unknown
from mulle.predictions.frames import SHADOW
from mulle.stats.bootstrap import Interval, paired_bootstrap
from mulle.stats.evaluation import MAIN
from mulle.verbs import acting, verb

if TYPE_CHECKING:
    from mulle.delivery.world import World

Rollouts: TypeAlias = list[Rollout]
Verdicts: TypeAlias = list[GateVerdict]

OPEN = ("active", "watching")
_FEWEST_LABELS = 200
_OPENED = select(rollout).where(rollout.c.status.in_(OPEN)).order_by(rollout.c.started, rollout.c.id)


class RolloutService:
    """How traffic moves to new model versions, and what the gates said."""

    plane = "rollouts"

    def __init__(self, catalog: Catalog, definitions: Mapping[str, DeploymentDefinition]) -> None:
        self.catalog = catalog
        self.definitions = definitions

    @verb("read")
    def list(self, deployment: str = "", limit: int = 50) -> Rollouts:
        """The rollouts, the newest first."""
        chosen = select(rollout).order_by(rollout.c.started.desc(), rollout.c.id.desc()).limit(limit)
        if deployment:
            chosen = chosen.where(rollout.c.deployment == deployment)
        with self.catalog.read() as tx:
            return [as_rollout(row) for row in tx.all(chosen)]

    @verb("read")
    def show(self, rollout_id: str) -> Rollout:
        """One rollout."""
        with self.catalog.read() as tx:
            return _load(tx, rollout_id)

    @verb("read")
    def verdicts(self, deployment: str = "", limit: int = 50) -> Verdicts:
        """What the gates said, the newest first, check by check."""
        chosen = select(verdict).order_by(verdict.c.at.desc(), verdict.c.version.desc()).limit(limit)
        if deployment:
            chosen = chosen.where(verdict.c.deployment == deployment)
        with self.catalog.read() as tx:
            return [as_verdict(row) for row in tx.all(chosen)]

    @verb("write")
    def abort(self, rollout_id: str, reason: str = "") -> Rollout:
        """End a rollout; the next turn of the wheel gives all traffic back to the model that served before."""
        with self.catalog.write() as tx:
            found = _load(tx, rollout_id)
            if found.status not in OPEN:
                raise DeliveryError(
                    f"rollout {rollout_id} is over",
                    cause=f"it is {found.status}",
                    cure=f"mulle deploy rollback {found.deployment}",
                )
            _end(tx, found, "rolled_back", reason or "aborted")
            return _load(tx, rollout_id)


def as_rollout(row: Any) -> Rollout:
    """A rollout from its row."""
    return msgspec.convert({name: getattr(row, name) for name in Rollout.__struct_fields__}, Rollout)


def as_verdict(row: Any) -> GateVerdict:
    """A verdict from its row."""
    return msgspec.convert({name: getattr(row, name) for name in GateVerdict.__struct_fields__}, GateVerdict)


def _load(tx: Tx, rollout_id: str) -> Rollout:
    row = tx.one(select(rollout).where(rollout.c.id == rollout_id))
    if row is None:
        known = [one.id for one in tx.all(select(rollout.c.id).limit(100))]
        raise unknown("rollout", rollout_id, known, cure="mulle deploy rollouts")
    return as_rollout(row)


def opened(tx: Tx) -> list[Rollout]:
    """The rollouts that are under way or watched, the oldest first."""
    return [as_rollout(row) for row in tx.all(_OPENED)]


def begin(tx: Tx, made: GateVerdict, former: str) -> Rollout:
    """Start the rollout of a version that passed its gate; one that is under way for the deployment gives way."""
    for other in opened(tx):
        if other.deployment == made.deployment:
            _end(
                tx, other, "superseded" if other.status == "active" else "done", f"{made.model}@{made.version} follows"
            )
    rollout_id = tx.new_id()
    payload = {"rollout": rollout_id, "model": f"{made.model}@{made.version}", "former": former}
    event = tx.event(f"deployment:{made.deployment}", payload, verb="rollouts.begin", cause=made.event)
    row: dict[str, Any] = {"id": rollout_id, "deployment": made.deployment, "model": made.model}
    row |= {"version": made.version, "former": former, "stage": 0, "since": tx.now, "status": "active", "reason": ""}
    row |= {"started": tx.now, "ended": None, "cause": made.event, "event": event}
    tx.execute(insert(rollout).values(**row))
    return msgspec.convert(row, Rollout)


def _end(tx: Tx, one: Rollout, status: str, reason: str) -> None:
    values = {"status": status, "reason": reason, "ended": tx.now}
    values["event"] = _told(tx, one, status, reason)
    tx.execute(update(rollout).where(rollout.c.id == one.id).values(**values))


def _told(tx: Tx, one: Rollout, action: str, reason: str) -> str:
    payload = {"rollout": one.id, "model": one.ref, "action": action}
    return tx.event(f"deployment:{one.deployment}", payload, verb=f"rollouts.{action}", reason=reason, cause=one.cause)


def plan_of(world: World, one: Rollout) -> list[Stage]:
    """The declared stages; a first version goes to full at once, there is nobody to compare it with."""
    declared = world.rules.deployments.get(one.deployment)
    return list(declared.rollout) if declared is not None and one.former else [full()]


def advance(world: World, now: datetime) -> tuple[list[Moved], datetime | None]:
    """Move every open rollout as far as it goes now; when to look again."""
    with world.catalog.read() as tx:
        waiting = opened(tx)
    moved: list[Moved] = []
    wakes = []
    for one in waiting:
        steps, wake = _advance(world, one, now)
        moved += steps
        wakes += [wake] if wake is not None else []
    return moved, min(wakes, default=None)


def _advance(world: World, one: Rollout, now: datetime) -> tuple[list[Moved], datetime | None]:
    stages = plan_of(world, one)
    moved: list[Moved] = []
    apply(world, one, stages)
    while True:
        at = rule.Progress(one.stage, one.since)
        over = one.stage >= len(stages) or now >= one.since + stages[one.stage].period
        move = rule.decide(stages, at, now, observe(world, one, now, labels=over))
        if move.action == "hold":
            return moved, move.until
        moved.append(Moved(one.id, one.deployment, one.ref, move.action, move.reason))
        one = _moved(world.catalog, one, move, stages)
        apply(world, one, stages)
        if one.status not in OPEN:
            return moved, None


def _moved(catalog: Catalog, one: Rollout, move: rule.Move, stages: list[Stage]) -> Rollout:
    with catalog.write() as tx:
        current = _load(tx, one.id)
        if (current.stage, current.status) != (one.stage, one.status):
            return current  # another process moved it meanwhile
        if move.action in ("roll_back", "done"):
            _end(tx, one, "rolled_back" if move.action == "roll_back" else "done", move.reason)
        else:
            stage = one.stage + 1
            status = "watching" if stage >= len(stages) else "active"
            event = _told(tx, one, "advance", move.reason)
            values = {"stage": stage, "since": tx.now, "status": status, "reason": move.reason, "event": event}
            tx.execute(update(rollout).where(rollout.c.id == one.id).values(**values))
        return _load(tx, one.id)


def apply(world: World, one: Rollout, stages: list[Stage]) -> None:
    """Bring traffic to what the rollout asks for; nothing changes where it is so already."""
    with acting(actor="mulle", reason=f"rollout of {one.ref}: {one.reason or one.status}", cause=one.event):
        if one.status == "rolled_back":
            _give_back(world, one)
            return
        if one.status not in OPEN:
            return
        stage = stages[min(one.stage, len(stages) - 1)]
        mine = _revision(world, one)
        if stage.kind == "full":
            world.deployments.traffic(one.deployment, {mine: 100.0})
            _champion(world, one.model, one.version)
            return
        former = world.deployments.deploy(one.deployment, one.former, share=100.0) if _astray(world, one) else None
        number = former.number if former is not None else _number(world, one.deployment, one.former)
        if stage.kind == "shadow":
            world.deployments.traffic(one.deployment, {number: 100.0}, [mine])
        else:
            world.deployments.traffic(one.deployment, {number: 100.0 - stage.percent, mine: stage.percent})


def _revision(world: World, one: Rollout) -> int:
    """The candidate's revision, made when its rollout begins. Deploying again would take its share of traffic away."""
    if one.former:
        known = {each.model_ref: each.number for each in world.deployments.show(one.deployment).revisions}
        if one.ref in known:
            return known[one.ref]
    return world.deployments.deploy(one.deployment, one.ref, share=0.0 if one.former else 100.0).number


def _astray(world: World, one: Rollout) -> bool:
    """Whether the former model is no revision of the deployment (it was deployed by hand elsewhere)."""
    return all(each.model_ref != one.former for each in world.deployments.show(one.deployment).revisions)


def _number(world: World, deployment: str, ref: str) -> int:
    return next(one.number for one in world.deployments.show(deployment).revisions if one.model_ref == ref)


def _give_back(world: World, one: Rollout) -> None:
    if not one.former:
        return
    shown = world.deployments.show(one.deployment)
    involved = {each.model_ref: each.number for each in shown.revisions}
    mine = involved.get(one.ref)
    if mine is not None and (mine in shown.traffic.weights or mine in shown.traffic.shadow):
        world.deployments.traffic(one.deployment, {involved[one.former]: 100.0})
    model, _, version = one.former.partition("@")
    _champion(world, model, int(version))


def _champion(world: World, model: str, version: int) -> None:
    current = world.registry.alias(model)
    if current is None or current.number != version:
        world.registry.promote(model, version, "champion")


def observe(world: World, one: Rollout, now: datetime, *, labels: bool) -> rule.Observation:
    """What the candidate answered since its stage began; with `labels`, how it compares where the truth is known."""
    found = world.predictions.log.scan_flat(one.deployment, one.since, now, ["model", "score"])
    mine = found.filter(found.get_column("model") == one.ref)
    scores = mine.get_column("score")
    failed = scores.null_count() + int((~scores.drop_nulls().is_finite()).sum()) if mine.height else 0
    lacking = _lacking(world, one, mine.height, found.height - mine.height)
    gain = _gain(world, one, now) if labels and one.former and mine.height else None
    return rule.Observation(mine.height + lacking, failed + lacking, gain)


def _lacking(world: World, one: Rollout, mine: int, others: int) -> int:
    """Answers that the candidate should have given and did not: a model that raises logs nothing.

    Only when more than half are lacking: a server takes a moment to follow.
    """
    stages = plan_of(world, one)
    if one.stage >= len(stages) or stages[one.stage].kind == "full":
        return 0
    stage = stages[one.stage]
    due = others if stage.kind == "shadow" else int(others * stage.percent / (100 - stage.percent))
    return due - mine if mine < due / 2 else 0


def _gain(world: World, one: Rollout, now: datetime) -> Interval | None:
    """Candidate against champion on the keys that both answered (in the shadow) and whose labels have come."""
    columns = ["key", "model", "role", "score"]
    candidate = world.registry.show(one.ref)
    known = world.predictions.join_labels(one.deployment, one.started, now, columns, inputs=candidate.inputs)
    mine = known.filter((pl.col("model") == one.ref) & (pl.col("role") == SHADOW))
    theirs = known.filter((pl.col("model") == one.former) & (pl.col("role") != SHADOW))
    both = mine.join(theirs.select("key", former="score"), on="key", how="inner").unique("key", maintain_order=True)
    if both.height < _FEWEST_LABELS:
        return None
    task = candidate.task
    truth = both.get_column("label").cast(pl.Float64, strict=False)
    if task not in ("binary", "regression") or truth.null_count():
        return None
    return paired_bootstrap(truth.to_numpy(), both["former"].to_numpy(), both["score"].to_numpy(), MAIN[task], n=200)
