"""Random schedules in virtual time: jobs come, the policy decides, jobs end, and every rule is watched."""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from dataclasses import dataclass, field

import msgspec

from mulle.config.resources import Quota
from mulle.resources.amounts import EPSILON, Amount, total
from mulle.resources.claims import Claim, PoolState, Rules, exceeded
from mulle.resources.policy import Decision, decide, effective, impossible
from mulle.resources.shares import accrued, entering

PATIENCE = 60.0


@dataclass
class Job:
    """A step that takes `work` seconds in all; where it was made to give way, it goes on from there."""

    claim: Claim
    work: float
    began: float | None = None
    times: int = 0
    ended: float | None = None
    gave_way: int = 0


@dataclass
class World:
    """A machine with its queue, in virtual time."""

    rules: Rules
    now: float = 0.0
    service: dict[tuple[str, str], float] = field(default_factory=dict)
    since: float = 0.0
    jobs: dict[str, Job] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    """Those that are there now: waiting or holding."""
    had: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """(pool, project) → seconds of its dominant share, as counted from outside."""
    events: list[tuple[float, int, str, str, int]] = field(default_factory=list)
    longest_wait: float = 0.0
    _count: int = 0

    def at(self, when: float, what: str, which: str, turn: int = 0) -> None:
        self._count += 1
        heapq.heappush(self.events, (when, self._count, what, which, turn))

    def submit(self, job: Job, when: float) -> None:
        self.jobs[job.claim.id] = job
        self.at(when, "ask", job.claim.id)

    def run(self, until: float = float("inf"), leave: float = 2.0) -> None:
        """Go on until nothing is left to happen; those that give way take `leave` seconds at most to do so."""
        while self.events and self.events[0][0] <= until:
            when = self.events[0][0]
            self._pass(when)
            while self.events and self.events[0][0] <= when:
                _, _, what, which, turn = heapq.heappop(self.events)
                getattr(self, f"_{what}")(which, turn)
            self._decide(leave)
            self.watch()

    def _pass(self, when: float) -> None:
        for pool, state in self.rules.pools.items():
            for project in {claim.project for claim in self.claims.values()}:
                mine = [
                    c.need
                    for c in self.claims.values()
                    if c.granted is not None and c.project == project and c.pool == pool
                ]
                self.had[pool, project] += total(mine).share(state.amount) * (when - self.now)
        self.service = accrued(self.service, list(self.claims.values()), self.rules, self.since, when)
        self.now = self.since = when

    def _ask(self, which: str, _turn: int) -> None:
        job = self.jobs[which]
        claim = msgspec.structs.replace(job.claim, asked=self.now)
        began = entering(self.service, list(self.claims.values()), claim.pool, claim.project)
        self.service[claim.pool, claim.project] = began
        job.claim = self.claims[which] = claim

    def _end(self, which: str, turn: int) -> None:
        job = self.jobs[which]
        if job.times != turn or which not in self.claims:
            return  # it gave way meanwhile
        job.ended = self.now
        del self.claims[which]

    def _leave(self, which: str, turn: int) -> None:
        job = self.jobs[which]
        if job.times != turn or which not in self.claims or job.began is None:
            return  # it ended by itself before
        job.work -= self.now - job.began
        job.gave_way += 1
        job.times += 1
        job.began = None
        self.claims[which] = job.claim

    def _decide(self, leave: float) -> None:
        decision = decide(list(self.claims.values()), self.rules, self.service, self.now)
        self.check(decision)
        for granted in decision.granted:
            job = self.jobs[granted.claim.id]
            job.began = self.now
            self.longest_wait = max(self.longest_wait, self.now - granted.claim.asked)
            self.claims[granted.claim.id] = msgspec.structs.replace(
                granted.claim, granted=self.now, rank=granted.rank, devices=granted.devices
            )
            self.at(self.now + job.work, "end", granted.claim.id, job.times)
        for victim in decision.victims:
            self.claims[victim] = msgspec.structs.replace(self.claims[victim], leaving=True)
            self.at(self.now + leave, "leave", victim, self.jobs[victim].times)

    def check(self, decision: Decision) -> None:
        """What a decision may not do."""
        for victim, to in decision.victims.items():
            lower, higher = self.claims[victim], self.claims[to]
            assert lower.granted is not None
            assert lower.yields
            assert lower.rank < higher.priority
            assert lower.priority < higher.priority, "only what is more important takes from what runs"
        names = [each.claim.id for each in decision.granted] + [each.claim.id for each in decision.waiting]
        waiting = [claim.id for claim in self.claims.values() if claim.granted is None]
        assert sorted(names) == sorted(waiting), "every claim is granted whole, or waits whole"

    def watch(self) -> None:
        """What must hold at every moment."""
        holding = [claim for claim in self.claims.values() if claim.granted is not None]
        for name, pool in self.rules.pools.items():
            held = [claim for claim in holding if claim.pool == name]
            assert total(claim.need for claim in held).within(pool.amount), "no overcommit"
            parts: dict[str, float] = defaultdict(float)
            for claim in held:
                assert abs(sum(claim.devices.values()) - claim.need.gpus) < 1e-6, "a gang has all its devices"
                for device, part in claim.devices.items():
                    parts[device] += part
            assert all(part <= 1 + EPSILON for part in parts.values()), "no device is shared out twice"
            assert set(parts) <= set(pool.devices)
        for claim in holding:
            for kind, who, quota in self.rules.quotas(claim):
                mine = [each for each in holding if getattr(each, kind) == who]
                assert not exceeded(quota, total(each.need for each in mine), len(mine)), "quotas hold"


def random_rules(random: random.Random) -> Rules:
    """One or two pools, three projects of unlike weights, and sometimes quotas."""
    devices = [str(number) for number in range(random.choice([0, 0, 2, 4]))]
    amount = Amount(float(random.choice([2, 4, 8, 16])), random.choice([4, 16, 64]) << 30, float(len(devices)))
    pools = {"machine": PoolState(amount, devices)}
    if random.random() < 0.3:
        pools["other"] = PoolState(Amount(4.0, 8 << 30))
    quotas = {}
    if random.random() < 0.4:
        quotas["b"] = Quota(cpus=max(1.0, amount.cpus // 2), steps=random.choice([None, 1, 3]))
    users = {"ada": Quota(memory=amount.memory // 2)} if random.random() < 0.3 else {}
    weights = {"a": random.choice([1.0, 1.0, 2.0]), "c": random.choice([1.0, 0.5])}
    return Rules(pools, weights, quotas, users, PATIENCE)


def random_job(random: random.Random, rules: Rules, number: int) -> Job | None:
    """A step of any size that can ever run; None where that which was drawn cannot."""
    pool = random.choice(sorted(rules.pools))
    there = rules.pools[pool]
    gang = random.choice([1, 1, 1, 1, 2, 4])
    gpus = random.choice([0.0, 0.0, 0.25, 0.5, 1.0, 2.0]) if there.devices else 0.0
    each = Amount(float(random.choice([1, 1, 1, 2, 4])), random.choice([0, 0, 1, 2]) << 30, gpus)
    priority = random.choice([0, 0, 0, 1, 5])
    claim = Claim(
        id=f"job-{number:04}",
        pool=pool,
        project=random.choice("abc"),
        user=random.choice(["ada", "bob"]),
        need=each * gang,
        gang=gang,
        priority=priority,
        preempts=random.random() < 0.8,
        yields=random.random() < 0.8,
        asked=0.0,
    )
    return None if impossible(claim, rules) else Job(claim, random.uniform(0.5, 30.0))


def priority_of(world: World, which: str) -> float:
    """A claim's priority now."""
    return effective(world.claims[which], world.rules, world.now)
