"""Many askers at once over one catalog: whatever they do, the transactional part keeps what the policy promises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mulle.resources.tables  # noqa: F401 - declared before the catalog is made
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.config.resources import PoolSection, QueueSection, QuotaSection, QuotasSection, ResourcesSection, checked
from mulle.resources import holdings
from mulle.resources.admission import Admission, Ask, Used
from mulle.resources.amounts import Amount, total
from mulle.resources.claims import Claim, PoolState, Rules
from mulle.resources.policy import alone, decide
from mulle.testing.soak import repeat

MOST = Amount(4.0, 8 << 30, 2.0)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as made:
        yield made


def askers() -> list[Admission]:
    pools = {"machine": PoolSection(cpus=MOST.cpus, memory=MOST.memory, gpus=["0", "1"])}
    queues = {"urgent": QueueSection(priority=5)}
    quotas = QuotasSection(projects={"c": QuotaSection(cpus=2)})
    sections = [
        ResourcesSection(queue=queue, pools=pools, queues=queues, quotas=quotas) for queue in ("default", "urgent")
    ]
    return [Admission(checked(section), project) for project in "abc" for section in sections]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(6, 300)))
def test_nothing_is_ever_given_twice(catalog: Catalog, seed: int) -> None:
    draw, everybody = random.Random(seed), askers()
    asked: dict[Admission, dict[str, Ask]] = {each: {} for each in everybody}
    held: dict[Admission, set[str]] = {each: set() for each in everybody}
    for number in range(150):
        catalog.clock.advance(timedelta(seconds=draw.uniform(0, 20)))  # type: ignore[attr-defined]
        each = draw.choice(everybody)
        with catalog.write() as tx:
            for name in sorted(held[each]):
                if draw.random() < 0.4 or name in each.yielding(tx, name):
                    each.release(tx, name, Used())
                    held[each].discard(name)
            if draw.random() < 0.1:  # its process is gone
                each.abandon()
                held[each], asked[each] = set(), {}
            elif draw.random() < 0.7:
                name = f"{number:03}"
                gang, gpus = draw.choice([1, 1, 2]), draw.choice([0, 0, 0.5, 1])
                cpus, memory = float(draw.choice([1, 1, 2])), draw.choice([0, 1 << 30, 3 << 30])
                ask = Ask(step_run=name, run=name, step="s", user="u", cpus=cpus, memory=memory, gpus=gpus, gang=gang)
                asked[each][name] = ask
            for name, ask in list(asked[each].items()):
                if each.request(tx, ask) is not None:
                    held[each].add(name)
                    del asked[each][name]
        _check(catalog, {name for names in held.values() for name in names})


def _check(catalog: Catalog, known: set[str]) -> None:
    with catalog.read() as tx:
        lives = [live for live in holdings.live(tx) if live.claim.granted is not None]
    assert total(live.claim.need for live in lives).within(MOST)
    for device in ("0", "1"):
        assert sum(live.claim.devices.get(device, 0.0) for live in lives) <= 1 + 1e-9
    assert total(live.claim.need for live in lives if live.claim.project == "c").cpus <= 2
    assert known <= {live.step_run for live in lives}, "what was granted stands in the catalog"


needs = st.builds(
    Amount, st.sampled_from([0.0, 1.0, 2.0, 5.0]), st.sampled_from([0, 1 << 30]), st.sampled_from([0.0, 0.5, 1.0])
)


@given(st.lists(st.tuples(needs, st.integers(0, 1)), max_size=4), needs, st.integers(0, 3))
def test_the_short_way_says_what_the_long_one_says(held: list[tuple[Amount, int]], need: Amount, priority: int) -> None:
    rules = Rules({"machine": PoolState(Amount(4.0, 2 << 30, 2.0), ["0", "1"])})
    claims = [
        Claim(
            id=f"h{i}",
            pool="machine",
            project="a",
            user="u",
            need=each,
            asked=0.0,
            granted=1.0,
            devices={str(on): each.gpus},
        )
        for i, (each, on) in enumerate(held)
    ]
    waiting = Claim(
        id="w", pool="machine", project="b", user="u", need=need, priority=priority, preempts=False, asked=2.0
    )
    decision = decide([*claims, waiting], rules, {}, 3.0)
    assert alone(waiting, claims, rules, 3.0) == (decision.granted[0] if decision.granted else None)
