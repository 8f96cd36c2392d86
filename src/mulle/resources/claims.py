"""Claims: what waits for resources and what holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from mulle.config.resources import Quota
from mulle.resources.amounts import Amount, Room

Block = Literal["room", "turn", "quota", "yielding"]
"""Why a claim waits: there is no room; others come first; its project's or user's quota is full; those that are to give
way have not yet."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one step asks of one pool, or holds of it. Times are in seconds of any one clock."""

    id: str
    pool: str
    project: str
    user: str
    need: Amount
    """Of all its processes together: a gang has all or nothing."""
    gang: int = 1
    priority: int = 0
    preempts: bool = True
    yields: bool = True
    """Whether it can be made to give way while it runs."""
    asked: float
    granted: float | None = None
    rank: float = 0.0
    """Its priority when it was granted, its waiting counted in: only what is above that may take from it."""
    devices: dict[str, float] = {}
    leaving: bool = False
    """It holds, and was asked to give way."""


class PoolState(msgspec.Struct, frozen=True):
    """What a pool has: `devices` are its GPUs."""

    amount: Amount
    devices: list[str] = []

    def room(self, held: Sequence[Claim]) -> Room:
        """What is left of it when some hold of it."""
        room = Room(self.amount, dict.fromkeys(self.devices, 1.0))
        for claim in held:
            room.take(claim.need, claim.devices)
        return room


class Rules(msgspec.Struct, frozen=True):
    """What is agreed beforehand. `patience` in seconds: waiting so long counts as one priority higher."""

    pools: dict[str, PoolState]
    weights: Mapping[str, float] = {}
    projects: Mapping[str, Quota] = {}
    users: Mapping[str, Quota] = {}
    patience: float = 600.0

    def weight(self, project: str) -> float:
        return self.weights.get(project, 1.0)

    def quotas(self, claim: Claim) -> list[tuple[str, str, Quota]]:
        """The quotas that a claim counts in: what of the claim is compared, with what, and how much there may be."""
        found = [("project", claim.project, self.projects.get(claim.project))]
        found.append(("user", claim.user, self.users.get(claim.user)))
        return [(kind, name, quota) for kind, name, quota in found if quota is not None]


def exceeded(quota: Quota, amount: Amount, steps: int) -> list[str]:
    """Of what an amount has more than a quota allows."""
    pairs = [
        ("cpus", amount.cpus, quota.cpus),
        ("memory", amount.memory, quota.memory),
        ("gpus", amount.gpus, quota.gpus),
        ("steps", steps, quota.steps),
    ]
    return [name for name, value, most in pairs if most is not None and value > most + 1e-9]
