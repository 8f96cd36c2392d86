"""Merges of tables through the verb; `test_merging` has what comes out of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from mulle.catalog import Catalog, ledger
from mulle.data import DataService, dataset
from mulle.data.branches import MergeConflictError
from mulle.data.commits import commit_id
from mulle.data.hooks import Change
from mulle.errors import DataError
from mulle.testing.memory_store import MemoryStore


def table(**rows: int) -> pl.DataFrame:
    return pl.DataFrame({"k": list(rows), "v": list(rows.values())}, schema={"k": pl.String, "v": pl.Int64})


def commit(data: DataService, branch: str = "main", **rows: int) -> Any:
    return data.commit("t", table(**rows), key=["k"], branch=branch)


@pytest.fixture
def parted(data: DataService) -> Any:
    """t@1 is a=1, b=1, c=1; main has then changed a, and dev b."""
    commit(data, a=1, b=1, c=1)
    data.branch("t", "dev")
    commit(data, a=2, b=1, c=1)
    commit(data, "dev", a=1, b=3, c=1, d=4)


def test_different_rows_are_merged_into_a_version_with_two_parents(data: DataService, parted: Any) -> None:
    merged = data.merge("t", "dev", message="both")
    assert dict(data.read("t").rows()) == {"a": 2, "b": 3, "c": 1, "d": 4}
    version = merged.version
    assert (merged.result, version.parent, version.merged, version.branch) == ("merged", 2, 3, "main")
    assert data.resolve("t@HEAD~1").number == 2


def test_a_conflict_is_told_by_key_and_nothing_changes(data: DataService, catalog: Catalog, parted: Any) -> None:
    commit(data, "dev", a=9, b=3, c=1)
    with catalog.read() as tx:
        before = ledger.verify(tx)
    with pytest.raises(MergeConflictError, match="k=a: v 2 here, 9 there") as refused:
        data.merge("t", "dev")
    (conflict,) = refused.value.details["conflicts"]
    assert (conflict.key, conflict.cells) == ({"k": "a"}, {"v": [1, 2, 9]})
    with catalog.read() as tx:
        assert ledger.verify(tx) == before


def test_the_same_change_on_both_sides_is_no_conflict(data: DataService, parted: Any) -> None:
    commit(data, "dev", a=2, b=3, c=1)
    data.merge("t", "dev")
    assert dict(data.read("t").rows()) == {"a": 2, "b": 3, "c": 1}


def test_a_merge_is_made_of_what_parted_since_the_last_one(data: DataService, parted: Any) -> None:
    data.merge("t", "dev")
    commit(data, "dev", a=1, b=5, c=1, d=4)
    commit(data, a=7, b=3, c=1, d=4)
    data.merge("t", "dev")
    assert dict(data.read("t").rows()) == {"a": 7, "b": 5, "c": 1, "d": 4}


def test_two_branches_are_merged_into_another_than_main(data: DataService, parted: Any) -> None:
    data.branch("t", "both", "t@dev")
    assert data.merge("t", "main", into="both").version.branch == "both"
    assert data.head("t").number == 2
    assert dict(data.read("t@both").rows()) == {"a": 2, "b": 3, "c": 1, "d": 4}


def test_checks_see_what_a_merge_makes_before_it_has_a_name(catalog: Catalog, store: MemoryStore) -> None:
    seen: list[tuple[str, int]] = []

    def check(rows: pl.DataFrame, change: Change) -> str | None:
        seen.append((change.action, rows.height))
        return "four rows are too many" if rows.height > 3 else None

    defined = dataset("t", checks=[check])
    data = DataService(catalog, store, definitions=lambda: {"t": defined})
    commit(data, a=1)
    data.branch("t", "dev")
    commit(data, a=1, b=1, c=1)
    commit(data, "dev", a=1, d=1)
    with pytest.raises(DataError, match="merge to dataset 't' is refused by its check 'check'\nCause: four rows"):
        data.merge("t", "dev")
    assert (seen[-1], data.head("t").number) == (("merge", 4), 2)


def test_the_event_says_what_was_merged(data: DataService, catalog: Catalog, parted: Any) -> None:
    version = data.merge("t", "dev").version
    with catalog.read() as tx:
        event = ledger.get(tx, version.event)
    assert event is not None
    assert (event.verb, event.payload["parent"], event.payload["merged"]) == ("data.merge", 2, 3)


def test_the_ids_of_both_parents_are_in_the_id(data: DataService, parted: Any) -> None:
    merged, ours, theirs = (data.resolve(f"t@{number}") for number in (data.merge("t", "dev").version.number, 2, 3))
    told = (merged.message, merged.at, merged.actor)
    assert merged.id == commit_id(merged.digest, [ours.id, theirs.id], *told)


def test_branches_that_are_merged_at_once_are_all_merged(data: DataService) -> None:
    commit(data, a=1)
    names = ["p", "q", "r", "s"]
    for name in names:
        data.branch("t", name)
        commit(data, name, a=1, **{name: 1})
    with ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda name: data.merge("t", name).result, names))
    assert sorted(done) == ["fast-forward", "merged", "merged", "merged"]
    assert sorted(data.read("t")["k"]) == ["a", *names]
    assert data.verify().damaged == []
