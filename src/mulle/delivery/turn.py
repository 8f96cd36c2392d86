"""One turn of the wheel, at the clock's instant; the same in production, in a test and in a backtest."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mulle.delivery import gating, rollouts, triggers
from mulle.delivery.firing import next_wake
from mulle.delivery.model import TurnReport
from mulle.monitoring.model import Serving
from mulle.verbs import acting

if TYPE_CHECKING:
    from mulle.delivery.world import World
    from mulle.serving import Deployments


def turn(world: World) -> TurnReport:
    """Arrivals, replayed requests, monitors, rollouts, triggers, runs, gates; what was done, and when to come back.

    Each part reads its own cursors and writes its decisions with them, so a turn may be killed anywhere and taken
    again: nothing is done twice and nothing is left out.
    """
    now = world.clock.now()
    with acting(actor="mulle"):
        arrived = world.arrivals.arrive(now)
        answered = world.requests.answer(now)
        serving = serving_now(world)
        alerts = world.monitors.evaluate(now, serving, world.rules.watches())
        moves, _ = rollouts.advance(world, now)
        if moves:
            serving = serving_now(world)
        fired = triggers.weigh(world, now, {one.deployment: one.champion.ref for one in serving})
        ran = triggers.perform(world, triggers.pending(world.catalog))
        verdicts = gating.judge_candidates(world, {one.deployment: one.champion for one in serving})
        later, deadline = rollouts.advance(world, now)
    del fired
    wakes = [world.arrivals.next(now), deadline, _scheduled(world, now)]
    return TurnReport(
        now,
        arrived,
        answered,
        [one.id for one in alerts],
        ran,
        verdicts,
        moves + later,
        min((wake for wake in wakes if wake is not None), default=None),
    )


def serving_now(world: World) -> list[Serving]:
    """The declared deployments that serve, each with its champion and since when that is so."""
    names = set(world.deployments.names())
    found = []
    for name in world.rules.deployments:
        if name in names:
            one = world.deployments.show(name)
            if one.active:
                champion = world.registry.show(one.live.model_ref)
                found.append(Serving(name, champion, _since(world.deployments, name, one.live.number)))
    return found


def _since(deployments: Deployments, name: str, number: int) -> datetime:
    """When the revision became the one with the most traffic."""
    since = None
    for entry in deployments.history(name):
        if entry.primary != number:
            break
        since = entry.at
    assert since is not None
    return since


def _scheduled(world: World, now: datetime) -> datetime | None:
    with world.catalog.read() as tx:
        known = [(one, triggers.recall(tx, name)) for name, one in world.rules.triggers.items()]
    return next_wake([(one, memory) for one, memory in known if memory is not None], now)
