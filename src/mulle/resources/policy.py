"""Who is next: a pure function of what is held, what waits, and the rules. The same state gives the same answer.

1. Priority, counted with the time waited, comes first: nothing waits for ever behind what is merely more important.
2. Among equals, the project that has had the least: dominant resource fair queueing (Ghodsi and others, SIGCOMM 2012),
   the service of the past and the share held now, over the project's weight.
3. Within a project, who asked first.

A claim that is next and finds no room is not overtaken by smaller ones that would take what it waits for. A claim at
its quota is passed by. A gang is one claim, granted whole or not at all: two of them cannot block each other half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from mulle.resources.amounts import Amount, Room, total
from mulle.resources.claims import Block, Claim, Rules, exceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

HORIZON = 30.0
"""Seconds that a share held now counts for: how far a decision looks ahead."""


class Granted(msgspec.Struct, frozen=True):
    """A claim that may begin: on which devices, and which priority it has while it holds."""

    claim: Claim
    devices: dict[str, float]
    rank: float


class Waiting(msgspec.Struct, frozen=True):
    """A claim that has to wait, and why: what is lacking, of which quota."""

    claim: Claim
    why: Block
    lacking: list[str]
    of: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What follows from a state: who begins, who has to give way to whom, who waits, in the order of their turns."""

    granted: list[Granted]
    victims: dict[str, str]
    """The claim that is to give way → the claim that it gives way to."""
    waiting: list[Waiting]


def decide(claims: Sequence[Claim], rules: Rules, service: Mapping[tuple[str, str], float], now: float) -> Decision:
    """Who is next.

    Args:
        claims: all that hold and all that wait, in any order.
        rules: pools, weights, quotas.
        service: (pool, project) → what it has had, in seconds of dominant share over its weight.
        now: the time, on the clock of the claims.
    """
    turn = _Turn(claims, rules, service, now)
    for claim in turn.order():
        turn.consider(claim)
    return Decision(turn.granted, turn.victims, turn.waiting)


def alone(claim: Claim, claims: Sequence[Claim], rules: Rules, now: float) -> Granted | None:
    """The grant of the only claim that waits, if there is room for it: what `decide` would say, for less."""
    if any(True for _ in rules.quotas(claim)):
        return None
    free = rules.pools[claim.pool].room([each for each in claims if each.pool == claim.pool])
    if free.lacks(claim.need, claim.gang):
        return None
    devices = (free.choose(claim.need.gpus, claim.gang) if claim.need.gpus else None) or {}
    return Granted(claim, devices, effective(claim, rules, now))


def effective(claim: Claim, rules: Rules, now: float) -> float:
    """A claim's priority with the time that it waited counted in."""
    return claim.priority + max(0.0, now - claim.asked) // rules.patience


class _Turn:
    """One decision on its way."""

    def __init__(
        self, claims: Sequence[Claim], rules: Rules, service: Mapping[tuple[str, str], float], now: float
    ) -> None:
        self._rules = rules
        self._service = service
        self._now = now
        self._holding = [claim for claim in claims if claim.granted is not None]
        self._waiting = [claim for claim in claims if claim.granted is None and claim.pool in rules.pools]
        self._left: dict[str, Room] = {}
        """What nobody holds."""
        self._free: dict[str, Room] = {}
        """What nobody holds, and nothing is kept for."""
        self._soon: dict[str, Room] = {}
        """The same when all have given way that were asked to."""
        self._lowest: dict[str, float] = {}
        """The lowest rank that holds."""
        self._shares: dict[tuple[str, str], float] = {}
        for name, pool in rules.pools.items():
            held = [claim for claim in self._holding if claim.pool == name]
            self._left[name] = pool.room(held)
            self._free[name] = self._left[name].copy()
            self._soon[name] = pool.room([claim for claim in held if not claim.leaving])
            self._lowest[name] = min((claim.rank for claim in held), default=0.0)
        self.granted: list[Granted] = []
        self.victims: dict[str, str] = {}
        self.waiting: list[Waiting] = []

    def order(self) -> Iterable[Claim]:
        """The waiting ones in the order of their turns; which depends on what those before them were given."""
        queues: dict[tuple[str, str], list[Claim]] = defaultdict(list)
        within = lambda claim: (-effective(claim, self._rules, self._now), claim.asked, claim.id)  # noqa: E731
        for claim in sorted(self._waiting, key=within, reverse=True):
            queues[claim.pool, claim.project].append(claim)
        while queues:
            first = min(queues, key=lambda key: self._key(queues[key][-1]))
            yield queues[first].pop()
            if not queues[first]:
                del queues[first]

    def consider(self, claim: Claim) -> None:
        """Grant the claim, or find out why not and keep for it what it will need."""
        for kind, name, quota in self._rules.quotas(claim):
            mine = [each for each in self._holding if getattr(each, kind) == name]
            over = exceeded(quota, total(each.need for each in mine) + claim.need, len(mine) + 1)
            if over:
                self.waiting.append(Waiting(claim, "quota", over, f"{kind} {name}"))
                return
        free, soon = self._free[claim.pool], self._soon[claim.pool]
        lacking = free.lacks(claim.need, claim.gang)
        if not lacking:
            self._grant(claim, free, soon)
            return
        yielding = self._make_room(claim, soon)
        devices = (soon.choose(claim.need.gpus, claim.gang) if yielding else None) or free.nearest(claim.need.gpus)
        free.take(claim.need, devices)
        soon.take(claim.need, devices)
        self.waiting.append(Waiting(claim, self._why(claim, yielding), lacking))

    def _why(self, claim: Claim, yielding: bool) -> Block:
        if yielding:
            return "yielding"
        return "room" if self._left[claim.pool].lacks(claim.need, claim.gang) else "turn"

    def _grant(self, claim: Claim, free: Room, soon: Room) -> None:
        devices = free.choose(claim.need.gpus, claim.gang) if claim.need.gpus else {}
        assert devices is not None
        for room in (free, soon, self._left[claim.pool]):
            room.take(claim.need, devices)
        self._shares.pop((claim.pool, claim.project), None)
        rank = effective(claim, self._rules, self._now)
        self.granted.append(Granted(claim, devices, rank))
        self._holding.append(msgspec.structs.replace(claim, granted=self._now, rank=rank, devices=devices))

    def _make_room(self, claim: Claim, soon: Room) -> bool:
        """Whether there will be room when all have given way that were asked to; asks more of them where it may."""
        if not soon.lacks(claim.need, claim.gang):
            return True
        if not claim.preempts or self._lowest[claim.pool] >= claim.priority:
            return False
        lower = [each for each in self._holding if self._may_take(claim, each)]
        chosen: list[Claim] = []
        trial = soon.copy()
        for each in sorted(lower, key=lambda each: (each.rank, -(each.granted or 0.0), each.id)):
            chosen.append(each)
            trial.give(each.need, each.devices)
            if not trial.lacks(claim.need, claim.gang):
                break
        else:
            return False
        for each in list(chosen[:-1]):  # those that turned out not to be needed
            trial.take(each.need, each.devices)
            if trial.lacks(claim.need, claim.gang):
                trial.give(each.need, each.devices)
            else:
                chosen.remove(each)
        for each in chosen:
            self.victims[each.id] = claim.id
            soon.give(each.need, each.devices)
        return True

    def _may_take(self, claim: Claim, other: Claim) -> bool:
        """Whether the other must give way: it holds in the same pool, can, was not asked to yet, and is below."""
        asked = other.leaving or other.id in self.victims or any(other.id == each.claim.id for each in self.granted)
        return other.pool == claim.pool and other.yields and not asked and other.rank < claim.priority

    def _key(self, claim: Claim) -> tuple[float, float, float, str]:
        whose = (claim.pool, claim.project)
        if whose not in self._shares:
            mine = total(each.need for each in self._holding if (each.pool, each.project) == whose)
            self._shares[whose] = mine.share(self._rules.pools[claim.pool].amount) / self._rules.weight(claim.project)
        had = self._service.get(whose, 0.0) + HORIZON * self._shares[whose]
        return (-effective(claim, self._rules, self._now), had, claim.asked, claim.id)


def impossible(claim: Claim, rules: Rules) -> tuple[str, list[str], Amount] | None:
    """What a claim can never have even when nobody else holds anything: of what, what is lacking, how much there is."""
    pool = rules.pools[claim.pool]
    lacking = pool.room([]).lacks(claim.need, claim.gang)
    if lacking:
        return f"pool {claim.pool}", lacking, pool.amount
    for kind, name, quota in rules.quotas(claim):
        over = exceeded(quota, claim.need, 1)
        if over:
            limits = Amount(quota.cpus or 0.0, quota.memory or 0, quota.gpus or 0.0)
            return f"quota of {kind} {name}", over, limits
    return None
