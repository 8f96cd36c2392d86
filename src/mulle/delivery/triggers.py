"""Triggers in the catalog: facts are gathered, the pure rule decides, and cursor and firing are written together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mulle.catalog import Catalog, Tx
from mulle.delivery import firing as rule
from mulle.delivery.declare import Drifted, NewData, QualityDrop, Schedule, TriggerDefinition
from mulle.delivery.model import Asked, Firing, TriggerSummary
from mulle.delivery.tables import demand, firing, trigger_memory
from mulle.errors import MulleError, unknown
from mulle.monitoring.model import Alert
from mulle.verbs import acting, verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mulle.delivery.world import World

_MEMORY = select(trigger_memory.c.memory).where(trigger_memory.c.pipeline == bindparam("pipeline"))
_ASKED = select(demand.c.pipeline).distinct()
_DEMANDS = (
    select(demand)
    .where(demand.c.pipeline == bindparam("pipeline"), demand.c.number > bindparam("after"))
    .order_by(demand.c.number)
)
_PENDING = select(firing).where(firing.c.status == "pending").order_by(firing.c.number)

Triggers: TypeAlias = list[TriggerSummary]
Firings: TypeAlias = list[Firing]


class TriggerService:
    """What starts pipelines, and the history of starts."""

    plane = "triggers"

    def __init__(
        self, catalog: Catalog, definitions: Mapping[str, TriggerDefinition], pipelines: Sequence[str]
    ) -> None:
        self.catalog = catalog
        self.definitions = definitions
        self.pipelines = pipelines

    @verb("read")
    def list(self) -> Triggers:
        """Every pipeline's causes, its last start and its next scheduled one."""
        with self.catalog.read() as tx:
            memories = {name: recall(tx, name) for name in self.definitions}
        return [self._summary(one, memories[name]) for name, one in self.definitions.items()]

    @verb("read")
    def history(self, pipeline: str = "", limit: int = 50) -> Firings:
        """The starts that were decided, the newest first, with their evidence."""
        chosen = select(firing).order_by(firing.c.number.desc()).limit(limit)
        if pipeline:
            chosen = chosen.where(firing.c.pipeline == pipeline)
        with self.catalog.read() as tx:
            return [as_firing(row) for row in tx.all(chosen)]

    @verb("write")
    def fire(self, pipeline: str, reason: str = "") -> Asked:
        """Ask for a start of a pipeline; the next turn of the wheel makes it, whatever the cooldown."""
        known = {*self.pipelines, *self.definitions}
        if pipeline not in known:
            raise unknown("pipeline", pipeline, known, cure="mulle trigger list")
        with self.catalog.write() as tx:
            event = tx.event(f"trigger:{pipeline}", {"demand": True}, reason=reason or None)
            values: dict[str, Any] = {"pipeline": pipeline, "at": tx.now, "reason": reason, "event": event}
            key = tx.execute(insert(demand).values(**values)).inserted_primary_key
            assert key is not None
            return Asked(number=int(key[0]), **values)

    def _summary(self, definition: TriggerDefinition, memory: rule.Memory | None) -> TriggerSummary:
        now = self.catalog.clock.now()
        ticks = [rule.next_tick(one.cron, now) for one in definition.on if isinstance(one, Schedule)]
        return TriggerSummary(
            pipeline=definition.pipeline,
            on=[msgspec.to_builtins(one) for one in definition.on],
            cooldown=definition.cooldown.total_seconds(),
            fired=memory.fired if memory is not None else None,
            next=min(ticks, default=None),
        )


def recall(tx: Tx, pipeline: str) -> rule.Memory | None:
    """What a pipeline's trigger remembers; None before its first turn."""
    found = tx.scalar(_MEMORY, {"pipeline": pipeline})
    return None if found is None else msgspec.convert(found, rule.Memory)


def as_firing(row: Any) -> Firing:
    """A firing from its row."""
    return msgspec.convert({name: getattr(row, name) for name in Firing.__struct_fields__}, Firing)


class Weighed(msgspec.Struct, frozen=True):
    """The firings whose run has not ended, old and new, and when a trigger next has something to weigh by itself."""

    waiting: list[Firing]
    wake: datetime | None


def weigh(world: World, now: datetime, champions: Mapping[str, str]) -> Weighed:
    """Decide for every pipeline whether it starts now.

    What was weighed and what was decided share a transaction: whatever is killed when, a cause starts a pipeline once.

    Args:
        world: the ports.
        now: the present.
        champions: deployment → the model version that serves.
    """
    alerts, rows = {}, _rows(world)
    with world.catalog.read() as tx:
        asked = {row.pipeline for row in tx.all(_ASKED)}
        names = [*world.rules.triggers, *sorted(asked - set(world.rules.triggers))]
        memories = {name: recall(tx, name) for name in names}
        demands = {name: _demands(tx, name, memories[name]) for name in names}
        found = pending(tx)
    known = []
    for name in names:
        memory = memories[name]
        definition = world.rules.triggers.get(name) or TriggerDefinition(name, ())
        if memory is None:
            memory = rule.Memory(examined=now, rows=rows)
        if _listens(definition):
            if memory.alerts not in alerts:
                alerts[memory.alerts] = world.monitors.since(memory.alerts)
            heard = [_fact(one, champions) for one in alerts[memory.alerts]]
        else:
            heard = []
        decision = rule.decide(definition, memory, rule.Facts(now, rows, heard, demands[name]))
        known.append((definition, decision.memory))
        if decision.memory != memories[name] and _matters(decision, memories[name]):
            found += _record(world.catalog, name, memories[name], decision)
    return Weighed(found, rule.next_wake(known, now))


def _listens(definition: TriggerDefinition) -> bool:
    return any(isinstance(cause, Drifted | QualityDrop) for cause in definition.on)


def _matters(decision: rule.Decision, before: rule.Memory | None) -> bool:
    """Whether forgetting the new memory would change a later decision: not when only the clock moved on."""
    if decision.reasons or before is None:
        return True
    return msgspec.structs.replace(decision.memory, examined=before.examined) != before


def _rows(world: World) -> dict[str, int]:
    wanted = {one.dataset for each in world.rules.triggers.values() for one in each.on if isinstance(one, NewData)}
    heads = {name: world.data.find_head(name) for name in sorted(wanted)}
    return {name: head.rows for name, head in heads.items() if head is not None}


def _demands(tx: Tx, pipeline: str, memory: rule.Memory | None) -> list[rule.DemandFact]:
    after = memory.asked if memory is not None else 0
    rows = tx.all(_DEMANDS, {"pipeline": pipeline, "after": after})
    return [rule.DemandFact(row.number, row.event, row.reason) for row in rows]


def _fact(one: Alert, champions: Mapping[str, str]) -> rule.AlertFact:
    current = champions.get(one.deployment) == one.champion
    return rule.AlertFact(one.number, one.id, one.event, one.deployment, one.watch, current, one.evidence)


def _record(catalog: Catalog, name: str, before: rule.Memory | None, decision: rule.Decision) -> list[Firing]:
    """Write memory and firings together; nothing when another process has decided meanwhile."""
    with catalog.write() as tx:
        if recall(tx, name) != before:
            return []
        values = {"memory": msgspec.to_builtins(decision.memory)}
        statement = upsert(trigger_memory).values(pipeline=name, **values)
        tx.execute(statement.on_conflict_do_update(index_elements=["pipeline"], set_=values))
        starts: dict[datetime | None, list[rule.Reason]] = {}
        for reason in decision.reasons:
            starts.setdefault(reason.as_of, []).append(reason)
        return [_fired(tx, name, as_of, reasons) for as_of, reasons in starts.items()]


def _fired(tx: Tx, name: str, as_of: datetime | None, given: Sequence[rule.Reason]) -> Firing:
    text = "; ".join(one.text for one in given)
    cause = next((one.event for one in given if one.event), None)
    kinds = ", ".join(dict.fromkeys(one.kind for one in given))
    event = tx.event(f"trigger:{name}", {"rule": kinds}, verb="triggers.fired", reason=text, cause=cause)
    reasons = [msgspec.to_builtins(one) for one in given]
    row: dict[str, Any] = {"id": tx.new_id(), "pipeline": name, "at": tx.now, "rule": kinds, "evidence": reasons}
    row |= {"status": "pending", "run": "", "cpu_seconds": 0.0, "error": "", "event": event, "as_of": as_of}
    key = tx.execute(insert(firing).values(**row)).inserted_primary_key
    assert key is not None
    return msgspec.convert({"number": int(key[0]), **row}, Firing)


def pending(tx: Tx) -> list[Firing]:
    """The firings whose run has not ended, the oldest first: after a crash they are taken up again."""
    return [as_firing(row) for row in tx.all(_PENDING)]


def perform(world: World, waiting: Sequence[Firing]) -> list[Firing]:
    """Run what was fired. A run that was cut short by a crash goes on from its last finished step."""
    found = []
    for one in waiting:
        reason = "; ".join(each.text for each in one.evidence)
        with acting(actor="mulle", reason=reason, cause=one.event):
            try:
                result = world.start(one.pipeline, as_of=one.as_of)
                status = "succeeded" if result.status == "succeeded" else "failed"
                values = {"status": status, "run": result.id, "error": result.error, "cpu_seconds": _cpu(result)}
            except MulleError as error:
                values = {"status": "failed", "run": "", "error": str(error), "cpu_seconds": 0.0}
            with world.catalog.write() as tx:
                tx.execute(update(firing).where(firing.c.id == one.id).values(**values))
                payload = {"run": values["run"], "status": values["status"]}
                tx.event(f"firing:{one.id}", payload, verb="triggers.ran")
        found.append(msgspec.structs.replace(one, **values))
    return found


def _cpu(result: Any) -> float:
    """What the run's steps cost, those taken from the memo included: what the training is worth."""
    return float(sum(step.worth for step in result.steps))
