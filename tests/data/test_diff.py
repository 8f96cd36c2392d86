from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.data import DataService, deltas, parts
from mulle.data.model import ChangedRow, ColumnChange, FileExamples, RowDiff
from mulle.errors import DataError
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat


def table(rows: Any) -> Any:
    return pl.DataFrame({"k": list(rows), "v": list(rows.values())}, schema={"k": pl.Int64, "v": pl.String})


def row_diff(data: DataService, a: str, b: str) -> RowDiff:
    return data.diff(a, b).rows


def compared(data: DataService, before: Any, after: Any) -> RowDiff:
    first = data.commit("d", table(before), key=["k"])
    return row_diff(data, first.ref, data.commit("d", table(after), key=["k"]).ref)


def test_rows_are_compared_by_key(data: DataService) -> None:
    rows = compared(data, {1: "a", 2: "b", 3: "c"}, {2: "b", 3: "x", 4: "d"})
    assert (rows.added, rows.removed, rows.changed, rows.unchanged) == (1, 1, 1, 1)


def test_examples_show_before_and_after(data: DataService) -> None:
    rows = compared(data, {1: "a", 2: "b"}, {2: "x", 3: "c"})
    assert rows.examples.changed == [ChangedRow({"k": 2}, {"v": ["b", "x"]})]
    assert rows.examples.added == [{"k": 3, "v": "c"}]
    assert rows.examples.removed == [{"k": 1, "v": "a"}]


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
    schema = data.diff("d@1", "d@2").schema
    assert schema.changed == [ColumnChange("b", "int64", "str")]
    assert schema.removed == [ColumnChange("c", "int64", None)]
    assert schema.added == [ColumnChange("d", None, "int64")]


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
    assert (files.added, files.removed, files.changed, files.unchanged) == (1, 1, 1, 1)
    assert files.examples == FileExamples(added=["new"], removed=["gone"], changed=["other"])


def test_a_table_and_a_tree_cannot_be_compared(data: DataService, tmp_path: Path) -> None:
    data.commit("d", table({1: "a"}))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    data.commit("images", tmp_path / "in")
    with pytest.raises(DataError, match="cannot be compared"):
        data.diff("d", "images")


def test_nan_is_nan_and_minus_zero_is_zero(data: DataService) -> None:
    before = pl.DataFrame({"k": [1, 2, 3], "x": [float("nan"), 0.0, None]})
    after = pl.DataFrame({"k": [1, 2, 3], "x": [float("nan"), -0.0, float("nan")]})
    data.commit("d", before, key=["k"])
    data.commit("d", after)
    rows = row_diff(data, "d@1", "d@2")
    assert (rows.changed, rows.unchanged) == (1, 2)


def test_all_changes_are_a_table(data: DataService) -> None:
    data.commit("d", table({1: "a", 2: "b", 3: "c"}), key=["k"])
    data.commit("d", table({2: "b", 3: "x", 4: "d"}))
    assert data.changes("d@1", "d@2").rows() == [
        ("removed", 1, "a", None),
        ("changed", 3, "c", "x"),
        ("added", 4, None, "d"),
    ]


def test_all_changes_without_a_key_are_a_table(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"x": [1, 1, 2]}))
    data.commit("d", pl.DataFrame({"x": [1, 3]}))
    found = data.changes("d@1", "d@2")
    assert sorted(found.rows()) == [("added", 3), ("removed", 1), ("removed", 2)]


def test_columns_that_came_are_in_the_table_of_changes(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"k": [1, 2], "a": [1, 1]}), key=["k"])
    data.commit("d", pl.DataFrame({"k": [1, 3], "b": ["x", "y"]}))
    found = data.changes("d@1", "d@2")
    assert found.columns == ["change", "k", "a.before", "b.after"]
    assert found.rows() == [("removed", 2, 1, None), ("added", 3, None, "y")]


def test_examples_are_as_many_as_asked_for(data: DataService) -> None:
    data.commit("d", table({1: "a"}), key=["k"])
    data.commit("d", table(dict.fromkeys(range(1, 20), "a")))
    assert len(data.diff("d@1", "d@2", examples=7).rows.examples.added) == 7


def test_what_moved_is_told_from_profiles(data: DataService) -> None:
    data.commit("d", pl.DataFrame({"k": range(1000), "x": [float(each) for each in range(1000)]}), key=["k"])
    data.commit("d", pl.DataFrame({"k": range(1000), "x": [float(each) + 500 for each in range(1000)]}))
    assert data.diff("d@1", "d@2").distribution.missing == ["d@1", "d@2"]
    data.profile("d@1")
    data.profile("d@2")
    moved = data.diff("d@1", "d@2").distribution
    assert [each.name for each in moved.columns] == ["x", "k"]
    assert moved.columns[0].psi is not None
    assert moved.columns[0].psi > 1
    assert moved.columns[0].mean_shift == pytest.approx(1.73, abs=0.01)
    assert moved.columns[1].psi == pytest.approx(0, abs=0.05)


edits = st.lists(
    st.tuples(st.sampled_from(["set", "drop", "same"]), st.integers(0, 60), st.integers(0, 5)), max_size=30
)


@pytest.mark.soak
@settings(max_examples=repeat(60, 3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 60), edits, edits)
def test_planted_edits_are_found_whatever_the_layout(data: DataService, rows: int, one: Any, two: Any) -> None:
    """Versions that are patches of patches: what lies between any two of them is what was planted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "POLICY", deltas.Policy(small=0, group=600, sources=6, fresh=12, carried=3))
        patch.setattr(parts, "PART_ROWS", 13)
        states: list[dict[int, str]] = [dict.fromkeys(range(rows), "start")]
        for chain in (one, two):
            state = dict(states[-1])
            for kind, key, value in chain:
                if kind == "set":
                    state[key] = f"v{value}"
                elif kind == "drop":
                    state.pop(key, None)
            states.append(state or {0: "x"})
        made = [data.commit("planted", table(state or {0: "x"}), key=["k"]) for state in states]
    states[0] = states[0] or {0: "x"}
    for a in range(3):
        for b in range(3):
            old, new = states[a], states[b]
            found = row_diff(data, made[a].ref, made[b].ref)
            both = old.keys() & new.keys()
            assert found.added == len(new.keys() - old.keys())
            assert found.removed == len(old.keys() - new.keys())
            assert found.changed == sum(old[key] != new[key] for key in both)
            assert found.unchanged == sum(old[key] == new[key] for key in both)
