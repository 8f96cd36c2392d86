from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.data import DataService, parts
from mulle.data.model import RowDiff
from mulle.errors import DataError
from mulle.testing.memory_store import MemoryStore


def table(rows: Any) -> Any:
    return pl.DataFrame({"k": list(rows), "v": list(rows.values())}, schema={"k": pl.Int64, "v": pl.String})


def row_diff(data: DataService, a: str, b: str) -> RowDiff:
    found = data.diff(a, b).rows
    assert found is not None
    return found


def compared(data: DataService, before: Any, after: Any) -> RowDiff:
    first = data.commit("d", table(before), key=["k"])
    return row_diff(data, first.ref, data.commit("d", table(after), key=["k"]).ref)


def test_rows_are_compared_by_key(data: DataService) -> None:
    rows = compared(data, {1: "a", 2: "b", 3: "c"}, {2: "b", 3: "x", 4: "d"})
    assert (rows.added, rows.removed, rows.changed, rows.unchanged) == (1, 1, 1, 1)


def test_examples_show_before_and_after(data: DataService) -> None:
    rows = compared(data, {1: "a", 2: "b"}, {2: "x", 3: "c"})
    assert rows.examples_changed == [{"k": 2, "v": ["b", "x"]}]
    assert rows.examples_added == [{"k": 3, "v": "c"}]
    assert rows.examples_removed == [{"k": 1, "v": "a"}]


def test_null_and_value_differ(data: DataService) -> None:
    assert compared(data, {1: None, 2: None}, {1: "a", 2: None}).changed == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 9), st.none() | st.sampled_from("ab"), min_size=1),
    st.dictionaries(st.integers(0, 9), st.none() | st.sampled_from("ab"), min_size=1),
)
def test_counts_are_those_of_two_dicts(data: DataService, before: Any, after: Any) -> None:
    first = data.commit("d", table(before), key=["k"])
    second = data.commit("d", table(after), key=["k"])
    rows = row_diff(data, first.ref, second.ref)
    both = before.keys() & after.keys()
    assert (rows.added, rows.removed, rows.changed, rows.unchanged) == (
        len(after.keys() - both),
        len(before.keys() - both),
        sum(before[key] != after[key] for key in both),
        sum(before[key] == after[key] for key in both),
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=3), st.lists(st.integers(0, 3), max_size=5)
)
def test_without_a_key_rows_are_a_multiset(data: DataService, batches: Any, after: Any) -> None:
    for part in batches:
        data.commit("a", pl.DataFrame({"x": part}, schema={"x": pl.Int64}), append=True)
    first = data.head("a")
    data.commit("b", pl.DataFrame({"x": [99]}))
    second = data.commit("b", pl.DataFrame({"x": [*after, 7]}))
    rows = row_diff(data, first.ref, second.ref)
    old, new = Counter(data.read(first)["x"].to_list()), Counter([*after, 7])
    assert (rows.added, rows.removed) == ((new - old).total(), (old - new).total())
    assert rows.unchanged == (old & new).total()


def test_shared_parts_are_not_read(data: DataService, store: MemoryStore) -> None:
    first = data.commit("d", table({1: "a"}), key=["k"])
    data.commit("d", table({2: "b"}), append=True)
    store.damage(data.parts(first)[0].digest)
    parts.forget()
    assert row_diff(data, "d@1", "d@2").added == 1


def test_columns_that_came_went_and_changed(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"a": [1], "b": [1], "c": [1]}))
    data.commit("d", pl.DataFrame({"a": [1], "b": ["1"], "d": [1]}))
    columns = data.diff("d@1", "d@2").columns
    assert [(each.name, each.before, each.after) for each in columns] == [
        ("b", "int64", "str"),
        ("c", "int64", None),
        ("d", None, "int64"),
    ]


def test_a_key_that_does_not_identify_is_an_error(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"a": [1, 1], "b": [1, 2]}))
    data.commit("d", pl.DataFrame({"a": [1], "b": [1]}))
    with pytest.raises(DataError, match="a does not identify a row"):
        data.diff("d@1", "d@2", key=("a",))


def test_a_key_that_is_not_in_both_is_an_error(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"a": [1]}))
    data.commit("d", pl.DataFrame({"b": [1]}))
    with pytest.raises(DataError, match="'a' is not in both"):
        data.diff("d@1", "d@2", key=("a",))


def test_files_are_compared_by_path(data: DataService, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in [("same", "s"), ("gone", "g"), ("other", "1")]:
        (folder / name).write_text(text)
    data.commit("images", folder)
    (folder / "gone").unlink()
    (folder / "new").write_text("n")
    (folder / "other").write_text("2")
    data.commit("images", folder)
    files = data.diff("images@1", "images@2").files
    assert files is not None
    assert (files.added, files.removed, files.changed, files.unchanged) == (["new"], ["gone"], ["other"], 1)


def test_a_table_and_a_tree_cannot_be_compared(data: DataService, tmp_path: Path) -> None:
    data.commit("d", table({1: "a"}))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    data.commit("images", tmp_path / "in")
    with pytest.raises(DataError, match="cannot be compared"):
        data.diff("d", "images")
