"""Who may begin, in a catalog that several share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mulle.resources.tables  # noqa: F401 - declared before the catalog is made
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.config.resources import PoolSection, QuotaSection, QuotasSection, ResourcesSection, checked
from mulle.errors import ResourceError
from mulle.resources import Gpu, Machine, holdings
from mulle.resources.admission import Admission, Ask, Grant, Used
from mulle.resources.process import this_process

GIB = 1 << 30


def here(cpus: int = 2, memory: int = 8 * GIB, gpus: int = 0) -> Machine:
    cards = [Gpu("H200", f"0000:0{number}:00.0", str(number)) for number in range(gpus)]
    return Machine(cpus, memory, cards, "here", "3.11", "Linux")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def catalog(tmp_path: Path, clock: VirtualClock) -> Iterator[Catalog]:
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as made:
        yield made


def admission(project: str = "p", *, machine: Machine | None = None, **section: Any) -> Admission:
    settings = checked(msgspec.convert(section, ResourcesSection))
    return Admission(settings, project, here=lambda: machine or here())


class Asking:
    """An admission whose every call is a transaction, as of a driver that does one thing at a time."""

    def __init__(self, catalog: Catalog, made: Admission) -> None:
        self.catalog = catalog
        self.made = made

    def request(self, name: str, **given: Any) -> Grant | None:
        with self.catalog.write() as tx:
            return self.made.request(tx, ask(name, **given))

    def release(self, name: str, used: Used | None = None) -> None:
        with self.catalog.write() as tx:
            self.made.release(tx, name, used or Used())

    def yielding(self, name: str) -> list[str]:
        with self.catalog.read() as tx:
            return self.made.yielding(tx, f"run-{name}")


def ask(name: str, **given: Any) -> Ask:
    return Ask(step_run=name, run=f"run-{name}", step=name, user="ada", **given)


@pytest.fixture
def asking(catalog: Catalog) -> Callable[..., Asking]:
    return lambda project="p", **given: Asking(catalog, admission(project, **given))


def test_what_fits_is_granted_and_what_does_not_waits(asking: Callable[..., Asking]) -> None:
    one, other = asking("one"), asking("other")
    assert one.request("a") is not None
    assert other.request("b") is not None
    assert one.request("c") is None
    other.release("b")
    assert one.request("c") is not None


def test_several_requests_of_one_transaction_see_each_other(catalog: Catalog) -> None:
    one = admission()
    with catalog.write() as tx:
        assert [one.request(tx, ask(name)) is not None for name in "abc"] == [True, True, False]


def test_waiting_twice_is_waiting_once(asking: Callable[..., Asking], catalog: Catalog) -> None:
    one = asking()
    one.request("a", cpus=2)
    assert [one.request("b") for _ in range(3)] == [None] * 3
    with catalog.read() as tx:
        assert len(holdings.live(tx)) == 2


def test_what_is_withdrawn_was_never_there(catalog: Catalog) -> None:
    one = admission()
    with catalog.write() as tx:
        one.request(tx, ask("a", cpus=2))
        one.request(tx, ask("b"))
        one.withdraw(tx, "b")
        one.release(tx, "a", Used("done", 3.0, 2.0, 1000))
    with catalog.read() as tx:
        assert holdings.live(tx) == []
        [row] = holdings.of_steps(tx, ["a", "b"])
    assert (row.outcome, row.seconds, row.cpu_seconds, row.peak_memory) == ("done", 3.0, 2.0, 1000)


def test_memory_is_a_resource_too(asking: Callable[..., Asking]) -> None:
    one = asking()
    assert one.request("a", memory=5 * GIB) is not None
    assert one.request("b", memory=4 * GIB) is None


def test_gpus_are_given_out_by_their_numbers_and_in_parts(asking: Callable[..., Asking]) -> None:
    one = asking(machine=here(8, gpus=2))
    grants = [one.request(name, gpus=part) for name, part in [("a", 0.5), ("b", 1), ("c", 0.5), ("d", 0.1)]]
    assert [grant and grant.devices for grant in grants] == [{"0": 0.5}, {"1": 1.0}, {"0": 0.5}, None]


@pytest.mark.parametrize(
    ("gpus", "cards", "seen"), [(["0", "1"], 0, ["0"]), (None, 2, ["0"]), (None, 0, []), (4, 0, []), (1, 2, ["0"])]
)
def test_gpus_are_named_to_a_step_where_they_are_here(gpus: Any, cards: int, seen: list[str]) -> None:
    one = admission(machine=here(gpus=cards), pools={"machine": {"gpus": gpus}} if gpus else {})
    assert one.visible(Grant(1.0, 0, {"0": 1.0})) == seen
    assert one.visible(Grant(1.0, 0)) == [""] * len(seen)


def test_a_gang_gets_all_or_nothing(asking: Callable[..., Asking]) -> None:
    one = asking(machine=here(4))
    one.request("a")
    assert one.request("gang", gang=4) is None
    assert one.request("b") is None, "the gang is next, and is not overtaken"
    one.release("a")
    grant = one.request("gang", gang=4)
    assert grant is not None
    assert grant.cpus == 1


def test_a_process_that_is_gone_holds_nothing(asking: Callable[..., Asking], catalog: Catalog) -> None:
    one, other = asking("one"), asking("other")
    one.request("a", cpus=2)
    assert other.request("b") is None
    gone = msgspec.json.encode(msgspec.structs.replace(this_process(), started=this_process().started - 100)).decode()
    with catalog.write() as tx:
        tx.straight("UPDATE resource_claim SET process = :gone WHERE step_run = 'a'", {"gone": gone})
    assert other.request("b") is not None
    with catalog.read() as tx:
        assert [row.outcome for row in holdings.of_steps(tx, ["a"])] == ["lost"]


def test_what_an_earlier_run_of_this_process_left_is_free(asking: Callable[..., Asking]) -> None:
    one = asking()
    one.request("a", cpus=2)
    one.made.abandon()
    assert asking().request("b") is not None


def test_whoever_stopped_looking_is_not_waited_for(asking: Callable[..., Asking], catalog: Catalog) -> None:
    one, stopped = asking("one"), asking("stopped")
    one.request("a")
    assert stopped.request("large", cpus=2) is None
    assert one.request("b") is None
    with catalog.write() as tx:
        tx.straight("UPDATE resource_claim SET beat = beat - 60 WHERE step_run = 'large'", {})
    assert one.request("b") is not None


def test_a_more_important_queue_takes_from_what_runs(asking: Callable[..., Asking]) -> None:
    low, high = asking(), asking(queue="urgent", queues={"urgent": {"priority": 10}})
    low.request("a", cpus=2)
    assert high.request("now") is None
    assert low.yielding("a") == ["a"]
    low.release("a", Used("gave way"))
    assert low.request("a", cpus=2) is None
    assert high.request("now") is not None


def test_what_gave_way_keeps_its_place(asking: Callable[..., Asking], clock: VirtualClock, catalog: Catalog) -> None:
    low, high = asking(), asking(queue="urgent", queues={"urgent": {"priority": 10}})
    low.request("a", cpus=2)
    clock.advance(timedelta(seconds=90))
    high.request("now")
    low.release("a", Used("gave way"))
    assert low.request("a", cpus=2) is None
    with catalog.read() as tx:
        waited = {live.step_run: clock.now().timestamp() - live.claim.asked for live in holdings.live(tx)}
    assert waited == {"a": 90.0, "now": 0.0}


def test_what_cannot_be_ended_is_waited_for(asking: Callable[..., Asking]) -> None:
    low, high = asking(), asking(queue="urgent", queues={"urgent": {"priority": 10}})
    low.request("a", cpus=2, yields=False)
    assert high.request("now") is None
    assert low.yielding("a") == []


def test_a_queue_that_takes_from_nobody_waits(asking: Callable[..., Asking]) -> None:
    low, high = asking(), asking(queue="polite", queues={"polite": {"priority": 10, "preempts": False}})
    low.request("a", cpus=2)
    assert high.request("now") is None
    assert low.yielding("a") == []


def test_a_project_that_had_less_is_next(asking: Callable[..., Asking], clock: VirtualClock) -> None:
    one, other = asking("one"), asking("other")
    one.request("a", cpus=2)
    assert one.request("b", cpus=2) is None
    assert other.request("x", cpus=2) is None
    clock.advance(timedelta(seconds=100))
    one.release("a")
    assert one.request("b", cpus=2) is None
    assert other.request("x", cpus=2) is not None


def test_a_quota_is_kept_and_what_waits_for_it_blocks_nobody(asking: Callable[..., Asking]) -> None:
    quotas = {"projects": {"one": {"cpus": 1}}}
    one, other = asking("one", quotas=quotas), asking("other", quotas=quotas)
    assert one.request("a") is not None
    assert one.request("b") is None
    assert other.request("x") is not None


def test_a_laptop_clips_what_a_step_asks_for(asking: Callable[..., Asking]) -> None:
    one = asking()
    one.made.check(ask("a", cpus=8, memory=64 * GIB))
    grant = one.request("a", cpus=8, memory=64 * GIB)
    assert grant is not None
    assert (grant.cpus, grant.memory) == (2, 8 * GIB)


@pytest.mark.parametrize(
    ("section", "asked", "cause", "cure"),
    [
        (
            ResourcesSection(pools={"machine": PoolSection(cpus=4)}),
            {"cpus": 8},
            "has 4 cpus",
            "[resources.pools.machine]",
        ),
        (ResourcesSection(), {"gpus": 1}, "has 0 gpus", "gpus=0"),
        (ResourcesSection(), {"gpus": 1.5}, "each is given whole", "gpus=2"),
        (
            ResourcesSection(quotas=QuotasSection(users={"ada": QuotaSection(memory="1GiB")})),
            {"memory": 2 * GIB},
            "quota of user ada has 1 GiB",
            "[resources.quotas.users.ada]",
        ),
        (
            ResourcesSection(quotas=QuotasSection(projects={"p": QuotaSection(steps=0)})),
            {},
            "quota of project p allows no step",
            "[resources.quotas.projects.p] steps",
        ),
    ],
)
def test_what_can_never_be_had_is_refused_at_once(
    section: ResourcesSection, asked: dict[str, Any], cause: str, cure: str
) -> None:
    refusing = Admission(checked(section), "p", here=here)
    with pytest.raises(ResourceError) as caught:
        refusing.check(ask("train", **asked))
    assert "'train'" in caught.value.message
    assert cause in str(caught.value.cause)
    assert cure in str(caught.value.cure)


def test_cores_are_given_to_one_only(asking: Callable[..., Asking]) -> None:
    one = asking(pin=True)
    first, second = one.request("a"), one.request("b")
    assert first is not None
    assert second is not None
    assert len(first.cores) == 1
    assert first.cores != second.cores
