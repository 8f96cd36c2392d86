from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mulle.catalog import Catalog
from mulle.data import DataService, dataset
from mulle.data.hooks import Change
from mulle.errors import DataError, UsageError
from mulle.testing.memory_store import MemoryStore

TWO = pl.DataFrame({"x": [1, 2]})


def no_negative(rows: pl.DataFrame) -> str | None:
    return "a negative x" if (rows["x"] < 0).any() else None


def asserting(rows: pl.DataFrame) -> None:
    assert rows.height > 1, "at least two rows"


def never(rows: pl.DataFrame) -> bool:
    return False


def broken(rows: pl.DataFrame) -> None:
    raise KeyError("y")


@pytest.mark.parametrize(
    ("check", "table", "reason"),
    [
        (no_negative, pl.DataFrame({"x": [-1]}), "a negative x"),
        (asserting, pl.DataFrame({"x": [1]}), "at least two rows"),
        (never, TWO, "it returned False"),
        (broken, TWO, "KeyError"),
    ],
)
def test_a_check_refuses_a_commit_with_its_reason(data: DataService, check: Any, table: Any, reason: str) -> None:
    with pytest.raises(DataError, match=rf"refused by its check '{check.__name__}'\nCause: .*{reason}"):
        data.commit(dataset("x", checks=[check]), table)
    assert data.find_head("x") is None


@pytest.mark.parametrize("check", [no_negative, asserting, lambda rows: True, lambda rows: None])
def test_a_check_lets_pass(data: DataService, check: Any) -> None:
    assert data.commit(dataset("x", checks=[check]), TWO).number == 1


def test_an_errors_own_cure_is_kept(data: DataService) -> None:
    def check(rows: pl.DataFrame) -> None:
        raise UsageError("ask Bo first", cure="call 555")

    with pytest.raises(UsageError, match="ask Bo first"):
        data.commit(dataset("x", checks=[check]), TWO)


def seen_by(catalog: Catalog, store: MemoryStore) -> tuple[DataService, list[tuple[Change, int]]]:
    """A service whose project has a check that remembers what it saw."""
    seen: list[tuple[Change, int]] = []

    def check(rows: pl.DataFrame, change: Change) -> None:
        seen.append((change, rows.height))

    defined = dataset("x", checks=[check])
    return DataService(catalog, store, definitions=lambda: {"x": defined}), seen


def test_checks_see_the_new_rows_of_an_append(catalog: Catalog, store: MemoryStore) -> None:
    data, seen = seen_by(catalog, store)
    data.commit("x", TWO, "first")
    data.commit("x", pl.DataFrame({"x": [3]}), append=True)
    assert seen == [
        (Change(action="commit", dataset="x", branch="main", message="first"), 2),
        (Change(action="commit", dataset="x", branch="main"), 1),
    ]


def test_checks_see_all_rows_of_what_is_merged_or_tagged(catalog: Catalog, store: MemoryStore) -> None:
    data, seen = seen_by(catalog, store)
    data.commit("x", TWO)
    data.branch("x", "dev")
    data.commit("x", pl.DataFrame({"x": [3]}), append=True, branch="dev")
    data.merge("x", "dev", message="in")
    data.tag("x", "v1")
    assert seen[2:] == [
        (Change(action="merge", dataset="x", branch="main", message="in"), 3),
        (Change(action="tag", dataset="x", tag="v1"), 3),
    ]


def test_a_refused_tag_and_merge_change_nothing(catalog: Catalog, store: MemoryStore) -> None:
    def check(rows: pl.DataFrame, change: Change) -> bool:
        return change.action == "commit"

    defined = dataset("x", checks=[check])
    data = DataService(catalog, store, definitions=lambda: {"x": defined})
    data.commit("x", TWO)
    data.branch("x", "dev")
    data.commit("x", pl.DataFrame({"x": [3]}), branch="dev")
    for change in (lambda: data.merge("x", "dev"), lambda: data.tag("x", "v1")):
        with pytest.raises(DataError, match="is refused by its check 'check'"):
            change()
    assert data.head("x").number == 1
    assert data.tag("x") == []


def test_checks_see_the_table_of_a_trees_files(data: DataService, tmp_path: Path) -> None:
    def small(rows: pl.DataFrame) -> str:
        return ", ".join(rows.filter(pl.col("size") > 3)["path"])

    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("abc")
    assert data.commit(dataset("images", checks=[small]), folder).number == 1
    (folder / "b.txt").write_text("abcd")
    with pytest.raises(DataError, match=r"Cause: b\.txt"):
        data.commit(dataset("images", checks=[small]), folder)
