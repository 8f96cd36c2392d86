"""How a model gets to its users and stays good: triggers, gates, rollouts, and the backtest of all of it."""

from mulle.delivery.declare import (
    at_least,
    better_than_champion,
    canary,
    demand,
    deployment,
    drifted,
    full,
    latency_p99,
    new_data,
    no_slice_worse,
    quality_drop,
    schedule,
    shadow,
    trigger,
)

__all__ = [
    "at_least",
    "better_than_champion",
    "canary",
    "demand",
    "deployment",
    "drifted",
    "full",
    "latency_p99",
    "new_data",
    "no_slice_worse",
    "quality_drop",
    "schedule",
    "shadow",
    "trigger",
]
