from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from mulle.catalog import Catalog, ledger, metadata
from mulle.data import DataService, dataset
from mulle.errors import DataError, UnknownNameError
from mulle.testing.memory_store import MemoryStore
from mulle.verbs import acting


def commit(data: DataService, *numbers: int, **where: Any) -> Any:
    return data.commit("x", pl.DataFrame({"x": numbers}), **where)


@pytest.fixture
def three(data: DataService) -> Any:
    return [commit(data, *range(number)) for number in (1, 2, 3)]


def test_a_version_that_nobody_needs_is_removed(data: DataService, three: Any) -> None:
    assert data.rm("x@2").versions == [2]
    assert [each.number for each in data.log("x")] == [3, 1]


def test_a_removed_version_says_who_removed_it_and_why(data: DataService, three: Any) -> None:
    with acting(actor="ann", reason="wrong file"):
        data.rm("x@2")
    with pytest.raises(DataError, match="ann removed it on 2013-01-01: wrong file"):
        data.resolve("x@2")


def test_the_ledger_keeps_what_was_removed(data: DataService, catalog: Catalog, three: Any) -> None:
    removed = data.rm("x@2")
    with catalog.read() as tx:
        event = ledger.get(tx, removed.event)
    assert event is not None
    assert (event.verb, event.subject, event.payload["id"]) == ("data.rm", "dataset:x@2", three[1].id)


def test_a_number_is_given_out_once(data: DataService, three: Any) -> None:
    data.rm("x@3", force=True)
    assert commit(data, 9).number == 4
    data.rm("x")
    assert commit(data, 9).number == 5


def test_a_head_is_needed_by_its_branch(data: DataService, three: Any) -> None:
    with pytest.raises(DataError, match="x@3 is needed\nCause: by branch main"):
        data.rm("x@3")


def test_with_force_a_branch_goes_back_to_what_is_there(data: DataService, three: Any) -> None:
    data.rm("x@2")
    assert data.rm("x@3", force=True).branches == ["main"]
    assert data.head("x").number == 1


def test_a_branch_with_nothing_before_it_goes(data: DataService, three: Any) -> None:
    data.branch("x", "old", "x@1")
    data.rm("x@1", force=True)
    assert [ref.name for ref in data.branch("x")] == ["main"]


def test_the_last_version_of_main_is_the_dataset(data: DataService) -> None:
    commit(data, 1)
    with pytest.raises(DataError, match="all that main has"):
        data.rm("x@1", force=True)


def test_a_tag_needs_its_version_and_goes_with_force(data: DataService, three: Any) -> None:
    data.tag("x", "v1", "x@2")
    with pytest.raises(DataError, match="by tag v1"):
        data.rm("x@2")
    assert data.rm("x@2", force=True).tags == ["v1"]
    assert data.tag("x") == []


def test_a_merge_still_finds_what_both_came_from(data: DataService, three: Any) -> None:
    data.branch("x", "dev")
    commit(data, 7, branch="dev")
    commit(data, 8, branch="dev")
    data.rm("x@4")
    assert data.merge("x", "dev").result == "fast-forward"


def test_a_whole_dataset_is_removed(data: DataService, three: Any) -> None:
    assert data.rm("x").versions == [1, 2, 3]
    assert data.list() == []
    with pytest.raises(UnknownNameError):
        data.log("x")


def test_a_dataset_with_tags_or_branches_is_needed(data: DataService, three: Any) -> None:
    data.tag("x", "v1")
    data.branch("x", "dev")
    with pytest.raises(DataError, match="by branch dev, tag v1"):
        data.rm("x")
    data.rm("x", force=True)
    assert data.list() == []


def test_models_and_deployments_need_what_taught_them(catalog: Catalog, store: MemoryStore) -> None:
    data = DataService(catalog, store, live=lambda: [("deployment:delay", "revision:delay/1")])
    commit(data, 1)
    with catalog.write() as tx:
        tx.event("run:r")
        for source, target in [("run:r", "dataset:x@1"), ("model:m@1", "run:r"), ("revision:delay/1", "model:m@1")]:
            tx.edge(source, target, "made")
    with pytest.raises(DataError, match="by model m@1, deployment delay"):
        data.rm("x")
    assert data.rm("x", force=True).versions == [1]


def test_what_is_removed_once_is_gone(data: DataService, three: Any) -> None:
    data.rm("x@1")
    with pytest.raises(DataError, match="no version x@1"):
        data.rm("x@1", force=True)


def test_a_diff_names_who_learned_from_either_version(catalog: Catalog, store: MemoryStore) -> None:
    data = DataService(catalog, store, live=lambda: [("deployment:delay", "revision:delay/2")])
    commit(data, 1)
    commit(data, 2)
    with catalog.write() as tx:
        tx.event("run:r")
        for number in (1, 2):
            tx.edge(f"model:m@{number}", f"dataset:x@{number}", "made")
            tx.edge(f"revision:delay/{number}", f"model:m@{number}", "serves")
    found = data.diff("x@1", "x@2").affected
    assert (found.models, found.deployments) == (["m@1", "m@2"], ["delay"])


def test_a_removed_dataset_leaves_nothing_but_its_past(data: DataService, catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n1\n")
    defined = dataset("x", source="rows.csv")
    data.collect(defined, datetime(2013, 1, 1, tzinfo=UTC))
    data.rm("x")
    with catalog.read() as tx:
        left = {
            table.name: tx.scalar(select(func.count()).select_from(table).where(table.c.dataset == "x"))
            for table in metadata.sorted_tables
            if "dataset" in table.c
            and table.name.startswith(("dataset", "branch", "tag", "partial", "source", "removed"))
        }
    assert {name: count for name, count in left.items() if count} == {"removed_version": 1}
    assert [each.number for each in data.collect(defined, datetime(2013, 1, 1, tzinfo=UTC))] == [2]
