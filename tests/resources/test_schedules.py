"""1,000 random schedules in virtual time: no overcommit, no starvation, fair shares, whole gangs, quotas."""

from __future__ import annotations

import random

import pytest
from tests.resources.worlds import Job, World, random_job, random_rules

from mulle.resources.amounts import Amount
from mulle.resources.claims import Claim, PoolState, Rules
from mulle.testing.soak import repeat

SCHEDULES = repeat(80, 1000)
FAIR = repeat(8, 1000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_every_rule_holds_in_any_schedule(seed: int) -> None:
    """`World` watches overcommit, quotas, gangs and pre-emption at every moment; here everything must also end."""
    draw = random.Random(seed)
    world = World(random_rules(draw))
    for number in range(draw.randrange(10, 60)):
        job = random_job(draw, world.rules, number)
        if job is not None:
            world.submit(job, draw.uniform(0, 120))
    world.run()
    assert all(job.ended is not None for job in world.jobs.values()), "nothing waits for ever"
    assert not world.claims


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(FAIR))
def test_projects_that_all_want_more_get_their_shares(seed: int) -> None:
    """Over a long enough time, within 5 % of the weights, whatever the sizes and lengths of their steps."""
    draw = random.Random(seed)
    rules, names = _busy(draw)
    world = World(rules)
    horizon = 1500.0
    for name in names:
        need, gang, work = _habit(draw, rules)
        for number in range(int(horizon / work * rules.pools["machine"].amount.cpus) + 50):
            claim = Claim(
                id=f"{name}-{number:05}", pool="machine", project=name, user="u", need=need * gang, gang=gang, asked=0.0
            )
            world.jobs[claim.id] = Job(claim, work * draw.uniform(0.7, 1.3))
    _keep_busy(world, names, horizon)
    had = {name: world.had["machine", name] / rules.weight(name) for name in names}
    mean = sum(had.values()) / len(had)
    assert all(abs(value - mean) <= 0.05 * mean for value in had.values()), had


def _busy(draw: random.Random) -> tuple[Rules, list[str]]:
    amount = Amount(float(draw.choice([2, 4, 8])), 32 << 30)
    names = ["a", "b", "c"][: draw.choice([2, 3])]
    weights = {"a": draw.choice([1.0, 1.0, 2.0])}
    return Rules({"machine": PoolState(amount)}, weights, patience=1e9), names


def _habit(draw: random.Random, rules: Rules) -> tuple[Amount, int, float]:
    """What a project's steps are like: their size, processes and length in seconds."""
    cpus = draw.choice([1.0, 1.0, 2.0])
    gang = 2 if rules.pools["machine"].amount.cpus >= 2 * cpus and draw.random() < 0.2 else 1
    return Amount(cpus, draw.choice([0, 1, 4]) << 30), gang, draw.choice([4.0, 8.0, 16.0])


def _keep_busy(world: World, names: list[str], horizon: float) -> None:
    """Each project always has a few waiting, until the horizon."""
    left = {name: [which for which in world.jobs if which.startswith(name)][::-1] for name in names}
    for name in names:
        for _ in range(2 * int(world.rules.pools["machine"].amount.cpus)):
            world.at(0.0, "ask", left[name].pop())
    while world.events and world.now < horizon:
        before = set(world.claims)
        world.run(until=world.events[0][0])
        for which in before - set(world.claims):
            world.at(world.now, "ask", left[which[0]].pop())


def test_two_gangs_never_hold_half_each() -> None:
    rules = Rules({"machine": PoolState(Amount(4.0))})
    world = World(rules)
    for number in range(6):
        claim = Claim(
            id=f"g{number}", pool="machine", project="ab"[number % 2], user="u", need=Amount(3.0), gang=3, asked=0
        )
        world.submit(Job(claim, 5.0), 0.1 * number)
    world.run()
    assert world.now == pytest.approx(30.0, abs=1.0)


def test_a_large_step_is_not_overtaken_for_ever_by_small_ones() -> None:
    rules = Rules({"machine": PoolState(Amount(4.0))})
    world = World(rules)
    world.submit(Job(Claim(id="large", pool="machine", project="a", user="u", need=Amount(4.0), asked=0), 1.0), 5.0)
    for number in range(400):
        claim = Claim(id=f"s{number:03}", pool="machine", project="b", user="u", need=Amount(1.0), asked=0)
        world.submit(Job(claim, 10.0), number * 0.5)
    world.run()
    large = world.jobs["large"]
    assert large.ended is not None
    assert large.ended < 40


def test_what_was_made_to_give_way_comes_back_and_ends() -> None:
    rules = Rules({"machine": PoolState(Amount(2.0))}, patience=1e9)
    world = World(rules)
    low = Claim(id="low", pool="machine", project="a", user="u", need=Amount(2.0), asked=0)
    high = Claim(id="high", pool="machine", project="b", user="u", need=Amount(1.0), priority=5, asked=0)
    world.submit(Job(low, 100.0), 0.0)
    world.submit(Job(high, 10.0), 50.0)
    world.run()
    assert world.jobs["high"].ended == pytest.approx(62.0)
    assert world.jobs["low"].gave_way == 1
    assert world.jobs["low"].ended == pytest.approx(62.0 + 48.0)
