"""One turn of the wheel, at the clock's instant; the same in production, in a test and in a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.delivery import gating, rollouts, triggers
from mulle.delivery.model import TurnReport
from mulle.monitoring.model import Serving
from mulle.verbs import acting

if TYPE_CHECKING:
    from mulle.delivery.world import World
    from mulle.serving.model import Deployment


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
        moves, deadline = rollouts.advance(world, now)
        if moves:
            serving = serving_now(world)
        weighed = triggers.weigh(world, now, {one.deployment: one.champion.ref for one in serving})
        ran = triggers.perform(world, weighed.waiting)
        verdicts = gating.judge_candidates(world, {one.deployment: one.champion for one in serving})
        if any(verdict.passed for verdict in verdicts):
            later, deadline = rollouts.advance(world, now)
            moves += later
    wakes = [world.arrivals.next(now), deadline, weighed.wake]
    wake = min((one for one in wakes if one is not None), default=None)
    return TurnReport(now, arrived, answered, [one.id for one in alerts], ran, verdicts, moves, wake)


def serving_now(world: World) -> list[Serving]:
    """The declared deployments that serve, each with its champion and since when that is so."""
    memory, generation = world.memory, world.deployments.generation()
    if memory.generation != generation:
        names = set(world.deployments.names())
        shown = [world.deployments.show(name) for name in world.rules.deployments if name in names]
        memory.serving = [_serving(world, one) for one in shown if one.active]
        memory.generation = generation
    return memory.serving


def _serving(world: World, one: Deployment) -> Serving:
    since = one.traffic.at
    for entry in world.deployments.history(one.name):
        if entry.primary != one.live.number:
            break
        since = entry.at
    return Serving(one.name, world.registry.show(one.live.model_ref), since)
