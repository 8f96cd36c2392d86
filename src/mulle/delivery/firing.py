"""When does a pipeline start? Pure: what is declared, what was decided before and what is the case now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from croniter import croniter

from mulle.delivery.declare import Drifted, NewData, QualityDrop, Schedule, TriggerDefinition

GRACE = timedelta(minutes=5)
MOST = 1000
"""More starts than this are not made up for at once: the newest ones are."""
_INSTANT = timedelta(seconds=1)


class Memory(msgspec.Struct, frozen=True):
    """What a pipeline's trigger remembers: the cursors over everything that may start it.

    `examined` is the last turn; `fired` the last start; `rows` each dataset's rows at the last start; `alerts` the
    number of the last alert that was weighed; `asked` the number of the last demand.
    """

    examined: datetime
    fired: datetime | None = None
    rows: dict[str, int] = {}
    alerts: int = 0
    asked: int = 0


class AlertFact(msgspec.Struct, frozen=True):
    """An alert as a trigger sees it. `current` says whether it speaks of the model that serves now."""

    number: int
    id: str
    event: str
    deployment: str
    watch: str
    current: bool
    evidence: dict[str, Any] = {}


class DemandFact(msgspec.Struct, frozen=True):
    """Somebody asked for a start."""

    number: int
    event: str
    reason: str = ""


class Facts(msgspec.Struct, frozen=True):
    """What is the case now: rows of the dataset heads, alerts and demands not yet weighed, in order."""

    now: datetime
    rows: dict[str, int] = {}
    alerts: list[AlertFact] = []
    demands: list[DemandFact] = []


class Reason(msgspec.Struct, frozen=True):
    """One cause that came true, its evidence, and the event behind it where there is one."""

    kind: str
    text: str
    evidence: dict[str, Any] = {}
    event: str = ""
    as_of: datetime | None = None
    """The instant as of which its run reads: that makes it a run of its own."""


class Decision(msgspec.Struct, frozen=True):
    """Start or not, for which reasons; what to remember; the reasons that the cooldown put off."""

    reasons: list[Reason]
    memory: Memory
    put_off: list[Reason] = []


def decide(definition: TriggerDefinition, memory: Memory, facts: Facts) -> Decision:
    """Weigh every cause once.

    One start for all reasons that hold in the same turn, but one for each instant that runs are to read as of. A demand
    starts at once. In the cooldown everything else waits: rows keep counting, alerts keep if the model they speak of
    still serves when it ends, and a scheduled instant is made up for once it ends.
    """
    demands = [
        Reason("demand", one.reason or "asked for", {}, one.event) for one in facts.demands if one.number > memory.asked
    ]
    others = [reason for cause in definition.on for reason in _reasons(cause, memory, facts)]
    cooling = memory.fired is not None and facts.now < memory.fired + definition.cooldown
    asked = max([memory.asked, *(one.number for one in facts.demands)])
    if cooling and not demands:
        return Decision([], msgspec.structs.replace(memory, asked=asked), others)
    reasons = demands + others
    after = msgspec.structs.replace(
        memory,
        examined=facts.now,
        asked=asked,
        alerts=max([memory.alerts, *(one.number for one in facts.alerts)]),
        rows={**facts.rows, **memory.rows} if not reasons else dict(facts.rows),
        fired=facts.now if reasons else memory.fired,
    )
    return Decision(reasons, after)


def _reasons(cause: Any, memory: Memory, facts: Facts) -> list[Reason]:
    match cause:
        case Schedule():
            return [_scheduled(cause, tick) for tick in due(cause, memory.examined, facts.now)]
        case NewData():
            came = facts.rows.get(cause.dataset, 0) - memory.rows.get(cause.dataset, facts.rows.get(cause.dataset, 0))
            if came >= cause.rows:
                text = f"{came} rows of {cause.dataset} came"
                return [Reason("new_data", text, {"dataset": cause.dataset, "rows": came, "needed": cause.rows})]
        case Drifted():
            return [
                Reason("drift", f"{one.deployment} drifted", {"alert": one.id, **one.evidence}, one.event)
                for one in _fresh(memory, facts, cause.deployment, "drift")
            ]
        case QualityDrop():
            return [
                Reason("quality_drop", _drop_text(one), {"alert": one.id, **one.evidence}, one.event)
                for one in _fresh(memory, facts, cause.deployment, "quality")
                if one.evidence.get("metric") == cause.metric and one.evidence.get("drop", 0.0) > cause.by
            ]
    return []


def due(cause: Schedule, examined: datetime, now: datetime) -> list[datetime]:
    """The instants after `examined` and up to `now` at which the schedule starts something, the oldest first.

    The wheel turns within seconds of an instant if it turns at all: one that is older by GRACE was missed.
    """
    newest = last_tick(cause.cron, now)
    if newest <= examined or (cause.missed == "skip" and now - newest > GRACE):
        return []
    if cause.missed != "all":
        return [newest]
    ticks = [newest]
    while len(ticks) < MOST and (before := last_tick(cause.cron, ticks[-1] - _INSTANT)) > examined:
        ticks.append(before)
    return ticks[::-1]


def _scheduled(cause: Schedule, tick: datetime) -> Reason:
    evidence = {"cron": cause.cron, "tick": tick.isoformat()}
    return Reason("schedule", f"scheduled: {cause.cron}", evidence, as_of=tick if cause.as_of else None)


def _fresh(memory: Memory, facts: Facts, deployment: str, watch: str) -> list[AlertFact]:
    return [
        one
        for one in facts.alerts
        if one.number > memory.alerts and one.current and one.deployment == deployment and one.watch == watch
    ]


def _drop_text(alert: AlertFact) -> str:
    return f"{alert.deployment}: {alert.evidence.get('metric')} fell by {alert.evidence.get('drop', 0.0):.4f}"


def next_tick(cron: str, after: datetime) -> datetime:
    """The first instant of the schedule after `after`."""
    found: datetime = croniter(cron, after.astimezone(UTC)).get_next(datetime)
    return found.astimezone(UTC)


def last_tick(cron: str, at: datetime) -> datetime:
    """The last instant of the schedule up to `at`."""
    found: datetime = croniter(cron, at.astimezone(UTC).replace(microsecond=0) + _INSTANT).get_prev(datetime)
    return found.astimezone(UTC)


def next_wake(definitions: Sequence[tuple[TriggerDefinition, Memory]], now: datetime) -> datetime | None:
    """When a trigger next has something to weigh by itself: a scheduled instant, or the end of a cooldown."""
    instants = []
    for definition, memory in definitions:
        instants += [next_tick(cause.cron, now) for cause in definition.on if isinstance(cause, Schedule)]
        if memory.fired is not None and definition.cooldown > timedelta(0) and memory.fired + definition.cooldown > now:
            instants.append(memory.fired + definition.cooldown)
    return min(instants, default=None)
