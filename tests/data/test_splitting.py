"""Partitions of versions: what they hold, what they are known by, what is read to find out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.catalog import Catalog
from mulle.data import DataService, logical, parts
from mulle.data.definition import Dataset
from mulle.data.partitions import Partition, Partitions, partitions
from mulle.data.splitting import rows_of, split
from mulle.errors import DataError, ProjectError
from mulle.hashing import digest_bytes
from mulle.store import get_tree
from mulle.testing.memory_store import MemoryStore

THINGS = Dataset("things")
AT = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "kind": ["a", "b", "a", None, "c/d"],
        "day": [AT + timedelta(hours=9 * hour) for hour in range(5)],
        "value": [1, 2, 3, 4, 5],
    }
)


@pytest.fixture
def cut(data: DataService, catalog: Catalog, store: MemoryStore) -> Any:
    def run(ref: str = "things", **asked: Any) -> dict[str, Partition]:
        return {each.key: each for each in split(catalog, store, data.resolve(ref), partitions(THINGS, **asked))}

    return run


def values(store: MemoryStore, found: dict[str, Partition]) -> dict[str, list[int]]:
    return {key: rows_of(store, each.pieces, each.by, key)["value"].to_list() for key, each in found.items()}


def test_a_table_is_split_by_a_column_in_the_order_of_first_rows(
    data: DataService, store: MemoryStore, cut: Any
) -> None:
    data.commit("things", ROWS)
    assert values(store, cut(by="kind")) == {"kind=a": [1, 3], "kind=b": [2], "kind": [4], "kind=c%2Fd": [5]}


def test_a_table_is_split_by_an_expression(data: DataService, store: MemoryStore, cut: Any) -> None:
    data.commit("things", ROWS)
    found = values(store, cut(by=pl.col("day").dt.date().alias("on")))
    assert found == {"on=2020-01-01": [1, 2, 3], "on=2020-01-02": [4, 5]}


def test_a_table_is_split_by_several_columns(data: DataService, store: MemoryStore, cut: Any) -> None:
    data.commit("things", pl.DataFrame({"a": [1, 1, 1], "b": [True, False, True], "value": [1, 2, 3]}))
    assert values(store, cut(by=["a", "b"])) == {"a=1/b=true": [1, 3], "a=1/b=false": [2]}


def test_a_partition_is_known_by_its_rows_however_they_are_stored(data: DataService, cut: Any) -> None:
    data.commit("things", ROWS.head(2))
    data.commit("things", ROWS.tail(3), append=True)
    grown = {key: each.digest for key, each in cut(by="kind").items()}
    data.commit("whole", ROWS)
    whole = {key: each.digest for key, each in cut("whole", by="kind").items()}
    assert grown == whole
    assert grown["kind=a"] == logical.extend(logical.EMPTY, ROWS.filter(pl.col("kind") == "a"))[0]


def test_an_append_changes_the_partitions_that_its_rows_are_of(data: DataService, cut: Any) -> None:
    data.commit("things", ROWS)
    before = cut(by="kind")
    data.commit("things", ROWS.head(1), append=True)
    after = cut(by="kind")
    assert {key for key, each in after.items() if each.digest != before[key].digest} == {"kind=a"}


def test_parts_that_were_seen_are_not_read_again(data: DataService, store: MemoryStore, cut: Any) -> None:
    data.commit("things", ROWS)
    before = cut(by="kind")
    for entry in data.parts(data.head("things")):
        store._objects.pop(entry.digest)
    parts.forget()
    assert {key: each.digest for key, each in cut(by="kind").items()} == {
        key: each.digest for key, each in before.items()
    }


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=6), min_size=1, max_size=4))
def test_partitions_are_the_rows_by_value(
    data: DataService, store: MemoryStore, cut: Any, batches: list[list[tuple[str, int]]]
) -> None:
    schema = {"kind": pl.String, "value": pl.Int64}
    name = f"t{digest_bytes(repr(batches).encode())[3:20]}"
    for number, batch in enumerate(batches):
        data.commit(name, pl.DataFrame(batch, schema=schema, orient="row"), append=number > 0)
    every = [row for batch in batches for row in batch]
    expected: dict[str, list[int]] = {}
    for kind, value in every:
        expected.setdefault(f"kind={kind}", []).append(value)
    assert values(store, cut(name, by="kind")) == expected


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("2013/01.csv", "2013/deep/x.csv", "2014/01.csv", "2014/note.txt", "top.csv"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("glob", "keys"),
    [
        ("*/", ["2013/", "2014/"]),
        ("*", ["2013/", "2014/", "top.csv"]),
        ("*/*.csv", ["2013/01.csv", "2014/01.csv"]),
        ("**", ["2013/01.csv", "2013/deep/x.csv", "2014/01.csv", "2014/note.txt", "top.csv"]),
        ("**/*.csv", ["2013/01.csv", "2013/deep/x.csv", "2014/01.csv", "top.csv"]),
        ("2013/*", ["2013/01.csv", "2013/deep/"]),
        ("/", ["/"]),
        ("nothing*", []),
    ],
)
def test_a_tree_is_split_by_a_glob(data: DataService, tree: Path, cut: Any, glob: str, keys: list[str]) -> None:
    data.commit("things", tree)
    assert list(cut(glob=glob)) == keys


def test_files_lie_at_their_own_paths_in_a_partition(
    data: DataService, store: MemoryStore, tree: Path, cut: Any, tmp_path: Path
) -> None:
    data.commit("things", tree)
    get_tree(store, cut(glob="*/*.csv")["2013/01.csv"].digest, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")] == [
        "2013/01.csv"
    ]


def test_a_changed_file_changes_its_partition_alone(data: DataService, tree: Path, cut: Any) -> None:
    data.commit("things", tree)
    before = cut(glob="*/")
    (tree / "2013" / "deep" / "x.csv").write_text("new")
    data.commit("things", tree)
    after = cut(glob="*/")
    assert [before[key].digest == after[key].digest for key in ("2013/", "2014/")] == [False, True]


def test_a_kind_that_cannot_be_split_so_is_told(data: DataService, tree: Path, cut: Any) -> None:
    data.commit("things", tree)
    data.commit("rows", ROWS)
    with pytest.raises(DataError, match="cannot be split by a column"):
        cut("things", by="kind")
    with pytest.raises(DataError, match="cannot be split by a glob"):
        cut("rows", glob="*/")
    with pytest.raises(DataError, match="has no column 'sort'"):
        cut("rows", by="sort")
    with pytest.raises(DataError, match="rows cannot be split by 'value'"):
        cut("rows", by=pl.col("value") / 2)


def test_too_many_partitions_are_refused(data: DataService, cut: Any) -> None:
    data.commit("things", pl.DataFrame({"value": range(10_001)}))
    with pytest.raises(DataError, match="10,001 partitions"):
        cut(by="value")


def test_how_to_split_is_said_once() -> None:
    with pytest.raises(ProjectError, match="how are the partitions of 'things' told apart"):
        partitions(THINGS)
    with pytest.raises(ProjectError, match="told apart"):
        partitions(THINGS, by="kind", glob="*/")


def test_partitions_are_not_iterated() -> None:
    with pytest.raises(ProjectError, match="were iterated"):
        list(Partitions(THINGS, ("kind",)))


def test_a_large_part_gives_the_same_rows(
    data: DataService, store: MemoryStore, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.commit("things", ROWS)
    small = values(store, cut(by=["kind", pl.col("day").dt.date().alias("on")]))
    monkeypatch.setattr(parts, "LARGE", 0)
    assert values(store, cut(by=["kind", pl.col("day").dt.date().alias("on")])) == small
