"""One flight for each key, and the first commit counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert
from tests.pipelines.drive import Site

from mulle.catalog import Catalog
from mulle.catalog.lineage import walk
from mulle.clock import ClockIds, SystemClock, VirtualClock
from mulle.pipelines import Controller, Memo, memo
from mulle.pipelines.model import ValueRef
from mulle.pipelines.tables import flight
from mulle.resources.process import this_process


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    clock = SystemClock()
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as made:
        yield made


def entry(step_run: str) -> memo.Entry:
    return memo.Entry([ValueRef("plain", "b3:" + step_run)], step_run, step_run, 1.0, 1.0)


def test_an_entry_is_found_as_it_was_committed(catalog: Catalog) -> None:
    with catalog.write() as tx:
        memo.commit(tx, "k", "step", entry("one"))
        assert memo.find(tx, "k") == entry("one")


def test_of_two_commits_the_first_counts(catalog: Catalog) -> None:
    with catalog.write() as tx:
        memo.commit(tx, "k", "step", entry("one"))
        assert memo.commit(tx, "k", "step", entry("two")) == entry("one")


def test_a_key_in_flight_is_not_begun_again(catalog: Catalog) -> None:
    with catalog.write() as tx:
        assert [memo.claim(tx, "k", "one"), memo.claim(tx, "k", "two"), memo.claim(tx, "other", "two")] == [
            True,
            False,
            True,
        ]


def test_a_flight_ends_with_its_commit(catalog: Catalog) -> None:
    with catalog.write() as tx:
        memo.claim(tx, "k", "one")
        memo.commit(tx, "k", "step", entry("one"))
        assert memo.claim(tx, "k", "two")


def test_the_flight_of_a_dead_process_is_taken_over(catalog: Catalog) -> None:
    dead = msgspec.structs.replace(this_process(), started=1.0)
    with catalog.write() as tx:
        tx.execute(insert(flight).values(key="k", step_run="one", process=dead))
        assert memo.claim(tx, "k", "two")


PROJECT = """
import mulle

@mulle.step
def double(x: int) -> int:
    mulle.log_metric("x", x)
    return x * 2

@mulle.pipeline
def main(x: int = 1):
    return double(x)
"""


def test_forks_share_what_was_computed_in_one_of_them(site: Callable[..., Site], tmp_path: Path) -> None:
    made = site(project=PROJECT)
    shared = Memo(made.catalog)
    executed = []
    for name in ("a", "b"):
        clock = VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))
        with made.catalog.fork(tmp_path / f"{name}.db", clock, ClockIds(clock, 1)) as fork:
            controller = Controller(
                catalog=fork,
                store=made.store,
                signer=made.signer,
                workspace=made.workspace,
                project=made.project,
                executor=made.executor,
                data=made.data,
                memo=shared,
            )
            executed.append(controller.run(made.project.one_pipeline()).steps_executed)
    assert executed == [1, 0]
    result = made.run()
    assert result.steps_executed == 0
    with made.catalog.read() as tx:
        nodes = walk(tx, f"run:{result.id}", "up").nodes
    assert [node.digest for node in nodes if not node.digest] == []  # the original ran in a fork that is gone


def test_a_claim_that_this_process_left_behind_can_be_taken(catalog: Catalog) -> None:
    with catalog.write() as tx:
        memo.claim(tx, "k", "one")
    memo.abandon(["one"])
    with catalog.write() as tx:
        assert memo.claim(tx, "k", "two")
