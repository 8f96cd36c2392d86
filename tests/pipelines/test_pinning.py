"""Runs that something else drives, a step a process: the memo, the digests and the records are those of one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from tests.pipelines.drive import Site

from mulle.errors import PipelineError, UsageError
from mulle.pipelines import journal, pinning
from mulle.tracking import runs

PROJECT = """
import mulle
from pathlib import Path

HERE = Path(__file__).parent
things = mulle.dataset("things")


@mulle.step
def first(n: int) -> int:
    return n + 1


@mulle.step
def pair(x: int) -> tuple[int, int]:
    return x, x * 2


@mulle.step(retries=3)
def shaky(x: int) -> int:
    with (HERE / "tries").open("a") as file:
        file.write("x")
    if not (HERE / "mended").exists():
        raise ValueError("not yet")
    return x


@mulle.step
def measure(rows: mulle.Table, by: int) -> int:
    return rows["value"].sum() * by


@mulle.step
def total(xs: list[int], a: int) -> int:
    return sum(xs) + a


@mulle.pipeline
def main(n: int = 1):
    a, b = pair(first(n))
    return total(measure.map(mulle.partitions(things, by="kind"), b), a)


@mulle.pipeline
def trying(n: int = 1):
    return shaky(first(n))


@mulle.pipeline
def committing():
    mulle.commit("copy", mulle.union(keep.map(mulle.partitions(things, by="kind"))))


@mulle.step
def keep(rows: mulle.Table) -> mulle.Table:
    return rows
"""
THINGS = pl.DataFrame({"kind": ["a", "b", "a"], "value": [1, 2, 3]})


@pytest.fixture
def driven(site: Callable[..., Site]) -> Site:
    made = site(project=PROJECT)
    made.data.commit("things", THINGS)
    return made


def step(site: Site, name: str, key: str = "k", pipeline: str = "main", **params: Any) -> Any:
    return site.controller.step(site.project.one_pipeline(pipeline), name, key, params)


def whole(site: Site, key: str = "k") -> None:
    for name in ("first", "pair", "measure", "total"):
        step(site, name, key)


def digests(site: Site, run: str) -> dict[str, Any]:
    with site.catalog.read() as tx:
        return {row.name: row.outputs for row in journal.steps(tx, run)}


def pinned(site: Site, key: str = "k") -> pinning.Pin:
    with site.catalog.read() as tx:
        found = pinning.find(tx, key)
    assert found is not None
    return found


def test_step_by_step_gives_the_digests_of_a_run(driven: Site) -> None:
    whole(driven)
    alone = driven.run("main")
    assert alone.steps_executed == 0
    assert digests(driven, pinned(driven).run) == digests(driven, alone.id)


def test_the_run_is_over_when_its_last_step_is(driven: Site) -> None:
    step(driven, "first")
    run = pinned(driven).run
    with driven.catalog.read() as tx:
        assert runs.get(tx, run).status == "running"
        assert not runs.lost(tx)
    whole(driven)
    with driven.catalog.read() as tx:
        assert runs.get(tx, run).status == "succeeded"


def test_a_step_that_is_done_is_not_done_again(driven: Site) -> None:
    _, (once,) = step(driven, "first")
    result, (again,) = step(driven, "first")
    assert (once, result.steps_executed) == (again, 0)


def test_what_a_run_reads_is_fixed_by_its_first_step(driven: Site) -> None:
    step(driven, "first")
    driven.data.commit("things", THINGS.with_columns(pl.col("value") * 10))
    step(driven, "pair")
    _, measured = step(driven, "measure")
    assert [driven.controller.value(pinning.outputs(row)[0]) for row in measured] == [4 * 4, 2 * 4]


def test_a_mapped_step_means_its_items(driven: Site) -> None:
    named = driven.controller.items(driven.project.one_pipeline("main"), "measure", "k")
    assert named == ["measure[kind=a]", "measure[kind=b]"]


def test_one_item_of_a_mapped_step(driven: Site) -> None:
    step(driven, "first")
    step(driven, "pair")
    _, rows = step(driven, "measure[kind=b]")
    assert [row.name for row in rows] == ["measure[kind=b]"]


def test_a_step_does_not_begin_before_those_that_it_takes_from(driven: Site) -> None:
    step(driven, "first")
    with pytest.raises(PipelineError, match="cannot begin") as refused:
        step(driven, "total")
    assert "'pair'" in str(refused.value.cause) or "'measure[" in str(refused.value.cause)


def test_a_key_stands_for_one_run(driven: Site) -> None:
    step(driven, "first")
    with pytest.raises(UsageError, match="another run"):
        step(driven, "first", n=2)
    with pytest.raises(UsageError, match="another run"):
        step(driven, "first", pipeline="trying")


def test_a_step_that_is_not_there_is_told(driven: Site) -> None:
    with pytest.raises(UsageError, match="nope"):
        step(driven, "nope")


def test_a_step_is_tried_once_and_may_be_tried_again(driven: Site) -> None:
    step(driven, "first", pipeline="trying")
    failed, _ = step(driven, "shaky", pipeline="trying")
    with driven.catalog.read() as tx:
        assert runs.get(tx, pinned(driven).run).status == "failed"
    assert (failed.status, (driven.root / "tries").read_text()) == ("failed", "x")
    (driven.root / "mended").touch()
    mended, (row,) = step(driven, "shaky", pipeline="trying")
    assert (mended.status, row.status) == ("succeeded", "executed")
    with driven.catalog.read() as tx:
        assert runs.get(tx, pinned(driven).run).status == "succeeded"
        assert len(journal.steps(tx, pinned(driven).run)) == 2


def test_effects_are_steps_too(driven: Site) -> None:
    for name in ("keep", "union", "commit-copy", "commit-copy"):
        step(driven, name, pipeline="committing")
    assert driven.data.read("copy").sort("value").equals(THINGS.sort("value"))
    assert len(driven.data.log("copy")) == 1


BRANCHING = """
import mulle


@mulle.step
def large(n: int) -> bool:
    return n > 5


@mulle.step
def halved(n: int) -> int:
    return n // 2


@mulle.step
def doubled(n: int) -> int:
    return n * 2


@mulle.step
def numbers(n: int) -> list[int]:
    return list(range(n))


@mulle.step
def add(a: int, b: int) -> int:
    return a + b


@mulle.pipeline
def inner(n: int):
    return mulle.when(large(n), lambda: halved(n), lambda: doubled(n))


@mulle.pipeline
def main(n: int = 1):
    return add.reduce(doubled.map(numbers(inner(n))))
"""
NAMES = ["inner/large", "inner/halved", "inner/doubled", "numbers", "doubled", "add"]


@pytest.mark.parametrize("n", [2, 8])
def test_branches_lists_and_trees_go_on_step_by_step(site: Callable[..., Site], n: int) -> None:
    made = site(project=BRANCHING)
    for name in NAMES:
        step(made, name, n=n)
    alone = made.run("main", n=n)
    assert alone.steps_executed == 0
    assert digests(made, pinned(made).run) == digests(made, alone.id)
    with made.catalog.read() as tx:
        assert runs.get(tx, pinned(made).run).status == "succeeded"


def test_a_step_of_a_branch_that_is_not_taken_is_skipped(site: Callable[..., Site]) -> None:
    made = site(project=BRANCHING)
    step(made, "inner/large", n=2)
    _, (row,) = step(made, "inner/halved", n=2)
    assert row.status == "skipped"


def test_the_items_of_a_list_that_a_step_gives_are_known_when_it_is_over(site: Callable[..., Site]) -> None:
    made = site(project=BRANCHING)
    for name in NAMES[:4]:
        step(made, name, n=2)
    named = made.controller.items(made.project.one_pipeline("main"), "doubled", "k", {"n": 2})
    assert named == [f"doubled[{place}]" for place in range(4)]
