from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle.data as api
from mulle.catalog import Catalog, ledger
from mulle.data import DataService
from mulle.errors import DataError, SchemaSkewError, UnknownNameError, UsageError
from mulle.hashing import digest_bytes
from mulle.stats.schema import Schema, column
from mulle.store import put_tree
from mulle.testing.memory_store import MemoryStore

AT = datetime(2013, 1, 1, tzinfo=UTC)


class Person(Schema):
    id: int
    age: float = column(maximum=120)


def test_a_commit_is_read_back(data: DataService, people: pl.DataFrame) -> None:
    version = data.commit("people", people, "the first")
    assert data.read("people").equals(people)
    assert (version.ref, version.rows, version.message, version.parent) == ("people@1", 3, "the first", None)


def test_each_version_stays(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    data.commit("people", people.head(1))
    assert data.read("people@1").height == 3
    assert data.read("people").height == 1


def test_the_same_content_is_no_new_version(data: DataService, people: pl.DataFrame) -> None:
    first = data.commit("people", people)
    assert data.commit("people", people.clone()) == first


def test_an_append_follows_the_head(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people.head(2))
    version = data.commit("people", people.tail(1), append=True)
    assert data.read(version).equals(people)
    assert version.parent == 1


def test_the_layout_does_not_show_in_the_logical_digest(data: DataService, people: pl.DataFrame) -> None:
    data.commit("grown", people.head(2))
    grown = data.commit("grown", people.tail(1), append=True)
    whole = data.commit("whole", people)
    assert grown.logical == whole.logical
    assert grown.digest != whole.digest


def test_an_append_to_nothing_is_the_first_version(data: DataService, people: pl.DataFrame) -> None:
    assert data.commit("people", people, append=True).number == 1


def test_an_append_without_rows_is_the_head(data: DataService, people: pl.DataFrame) -> None:
    head = data.commit("people", people)
    assert data.commit("people", people.clear(), append=True) == head


def test_a_first_version_may_have_no_rows(data: DataService, people: pl.DataFrame) -> None:
    assert data.commit("people", people.clear()).rows == 0
    data.commit("people", people, append=True)
    assert data.read("people").equals(people)


def test_a_commit_without_rows_does_not_empty_a_dataset(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    with pytest.raises(DataError, match="has no rows, and people@1 has 3"):
        data.commit("people", people.clear())


def test_a_table_without_columns_is_an_error(data: DataService) -> None:
    with pytest.raises(DataError, match="has no columns"):
        data.commit("people", pl.DataFrame())


@pytest.mark.parametrize("name", ["", "a b", "a@1", "a/b", "dataset:a"])
def test_a_name_that_cannot_be_is_an_error(data: DataService, people: pl.DataFrame, name: Any) -> None:
    with pytest.raises(UsageError, match="cannot name a dataset"):
        data.commit(name, people)


def test_a_repeated_key_in_a_commit_is_named(data: DataService, people: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="duplicate key in dataset 'people': id=2"):
        data.commit("people", people.with_columns(id=pl.Series([1, 2, 2])), key=["id"])


def test_a_key_that_was_committed_before_is_named(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people, key=["id"])
    with pytest.raises(DataError, match="id=3"):
        data.commit("people", people.tail(1), append=True)


def test_a_repeated_key_of_several_columns_is_found(data: DataService) -> None:
    table = pl.DataFrame({"a": ["x", "x"], "b": [1, 2]})
    data.commit("pairs", table, key=["a", "b"])
    data.commit("pairs", pl.DataFrame({"a": ["x", "y"], "b": [3, 1]}), append=True)
    with pytest.raises(DataError, match="a=x, b=2"):
        data.commit("pairs", pl.DataFrame({"a": ["x"], "b": [2]}), append=True)


def test_a_null_in_the_key_is_an_error(data: DataService, people: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="has 1 nulls"):
        data.commit("people", people, key=["name"])


def test_a_missing_key_column_is_an_error(data: DataService, people: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="no key column 'number'"):
        data.commit("people", people, key=["number"])


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        (lambda t: t.drop("age"), "column 'age' is int64 in the dataset and missing"),
        (lambda t: t.with_columns(age=pl.lit("old")), "column 'age' is int64 in the dataset and str in the new rows"),
        (lambda t: t.with_columns(shoe=pl.lit(1)), "column 'shoe'"),
        (lambda t: t.with_columns(id=pl.col("id").cast(pl.Boolean)), "column 'id'"),
    ],
)
def test_an_append_with_other_columns_is_schema_skew(
    data: DataService, people: pl.DataFrame, changed: Any, cause: Any
) -> None:
    data.commit("people", people)
    with pytest.raises(SchemaSkewError, match=cause):
        data.commit("people", changed(people), append=True)


def test_an_append_may_order_its_columns_otherwise(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people.head(2))
    data.commit("people", people.tail(1).select("age", "name", "id"), append=True)
    assert data.read("people").equals(people)


def test_an_append_of_ints_to_floats_keeps_floats(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"x": [1.5]}))
    data.commit("x", pl.DataFrame({"x": [2]}), append=True)
    assert data.read("x")["x"].to_list() == [1.5, 2.0]


def test_an_append_of_floats_to_ints_widens_the_whole(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"x": [1]}))
    version = data.commit("x", pl.DataFrame({"x": [2.5]}), append=True)
    assert data.read("x")["x"].to_list() == [1.0, 2.5]
    assert version.schema == [("x", "float64")]


def test_a_column_of_nulls_takes_the_type_that_comes(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"x": [None]}))
    data.commit("x", pl.DataFrame({"x": ["a"]}), append=True)
    assert data.read("x")["x"].to_list() == [None, "a"]


def test_a_widening_append_still_checks_the_key(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"k": [1], "x": [1]}), key=["k"])
    with pytest.raises(DataError, match="duplicate key"):
        data.commit("x", pl.DataFrame({"k": [1], "x": [2.5]}), append=True)


def test_equal_rows_with_another_key_are_a_new_version(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    assert data.commit("people", people, key=["id"]).number == 2


def test_an_append_that_names_the_event_time_finds_the_earlier_rows_by_it(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"at": [AT], "x": [1]}).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))))
    data.commit("x", pl.DataFrame({"at": [AT], "x": [2]}), append=True, event_time="at")
    assert data.read("x", start=AT, end=AT + timedelta(hours=1))["x"].to_list() == [1, 2]


def test_an_append_with_another_key_checks_the_earlier_rows(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people, key=["id"])
    data.commit("people", people.with_columns(pl.col("id") + 10, pl.col("age") + 100), append=True, key=["age"])
    with pytest.raises(DataError, match="age=30"):
        data.commit("people", people.with_columns(pl.col("id") + 20), append=True, key=["age"])


@pytest.mark.parametrize("dtype", [pl.Int128, pl.Object])
def test_a_type_that_cannot_be_stored_is_named(data: DataService, dtype: Any) -> None:
    with pytest.raises(DataError, match="column 'x' of dataset 'x' cannot be stored"):
        data.commit("x", pl.DataFrame({"x": pl.Series([1], dtype=dtype)}))


def test_a_dataset_is_of_one_kind(data: DataService, people: pl.DataFrame, tmp_path: Path) -> None:
    data.commit("people", people)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    with pytest.raises(DataError, match="cannot take files"):
        data.commit("people", tmp_path / "in")


def test_a_definition_brings_its_schema(data: DataService, people: pl.DataFrame) -> None:
    defined = api.dataset("people", expect=Person)
    with pytest.raises(SchemaSkewError, match="column 'age' is declared as float and is missing"):
        data.commit(defined, people.drop("age"))


def test_declared_floats_stay_floats_whatever_the_batch(data: DataService) -> None:
    version = data.commit(api.dataset("people", expect=Person), pl.DataFrame({"id": [1], "age": [30]}))
    assert version.schema == [("id", "int64"), ("age", "float64")]


def test_values_that_break_a_limit_are_told_in_the_event(data: DataService, catalog: Catalog) -> None:
    data.commit(api.dataset("people", expect=Person), pl.DataFrame({"id": [1], "age": [130.0]}))
    with catalog.read() as tx:
        (event,) = ledger.events(tx, subject="dataset:people@1", limit=5)
    assert event.payload["violations"] == [["age", "maximum", 1]]


def test_the_watermark_is_the_newest_event_time(data: DataService) -> None:
    table = pl.DataFrame({"at": [AT, AT + timedelta(hours=1)]})
    assert data.commit("x", table, event_time="at").watermark == AT + timedelta(hours=1)


def test_an_append_never_takes_the_watermark_back(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"at": [AT + timedelta(hours=1)]}), event_time="at")
    assert data.commit("x", pl.DataFrame({"at": [AT]}), append=True).watermark == AT + timedelta(hours=1)


def test_instants_without_zone_are_utc(data: DataService) -> None:
    naive = AT.replace(tzinfo=None)
    data.commit("x", pl.DataFrame({"at": [naive]}), event_time="at", watermark=naive)
    assert data.head("x").watermark == AT
    assert data.read("x", start=naive, end=naive + timedelta(hours=1)).height == 1


def test_text_event_times_become_instants(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"at": ["2013-01-01T00:00:00Z"]}), event_time="at")
    assert data.read("x", start=AT, end=AT + timedelta(days=1)).height == 1


def test_a_file_is_committed_by_its_path(data: DataService, people: pl.DataFrame, tmp_path: Path) -> None:
    people.write_csv(tmp_path / "people.csv")
    data.commit("people", tmp_path / "people.csv")
    assert data.read("people").equals(people)


def test_a_folder_is_committed_as_files_and_checked_out(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(b"a")
    version = data.commit("images", tmp_path / "in")
    data.checkout("images", tmp_path / "out")
    assert (version.kind, version.rows) == ("files", 0)
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"a"


def test_a_tree_of_files_is_named_like_any_tree(data: DataService, store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "run.sh").write_text("echo")
    (tmp_path / "in" / "run.sh").chmod(0o700)
    version = data.commit("images", tmp_path / "in")
    data.checkout("images", tmp_path / "out")
    assert version.logical == put_tree(store, tmp_path / "in")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_an_unchanged_folder_is_no_new_version(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(b"a")
    assert data.commit("images", tmp_path / "in") == data.commit("images", tmp_path / "in")


def test_an_empty_folder_is_an_error(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="has no files"):
        data.commit("images", tmp_path / "in")


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "deep/out.jsonl"])
def test_a_table_is_checked_out_in_the_named_format(
    data: DataService, people: pl.DataFrame, tmp_path: Path, name: Any
) -> None:
    data.commit("people", people)
    path = data.checkout("people", tmp_path / name).path
    data.commit("again", path)
    assert data.read("again").equals(people)


def test_a_table_is_checked_out_into_a_folder(data: DataService, people: pl.DataFrame, tmp_path: Path) -> None:
    data.commit("people", people)
    assert data.checkout("people", tmp_path / "out").path == str(tmp_path / "out" / "people.parquet")


def test_rows_are_a_page_of_plain_values(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people.with_columns(at=pl.lit(AT)))
    page = data.rows("people", limit=1, offset=2)
    assert page.rows == [[3, None, 50, "2013-01-01T00:00:00Z"]]
    assert (page.total, page.columns[0]) == (3, ("id", "int64"))


def test_show_lists_the_parts(data: DataService) -> None:
    data.commit("x", pl.DataFrame({"at": [AT]}), event_time="at")
    detail = data.show("x")
    assert (detail.event_time, [part.low for part in detail.parts]) == ("at", [AT])


def test_list_shows_every_dataset_with_its_head(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people, key=["id"])
    data.commit("people", people.head(1))
    data.commit("other", people)
    assert [(each.name, each.key, each.versions, each.head.rows) for each in data.list()] == [
        ("other", [], 1, 3),
        ("people", ["id"], 2, 1),
    ]


def test_the_log_begins_with_the_newest(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    data.commit("people", people.head(1))
    assert [version.number for version in data.log("people")] == [2, 1]


def test_an_unknown_dataset_suggests_the_nearest(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    with pytest.raises(UnknownNameError, match="did you mean 'people'"):
        data.head("peolpe")


def test_a_dataset_that_never_was_has_no_head(data: DataService) -> None:
    assert data.find_head("people") is None


def test_a_commit_is_an_event_and_a_node(data: DataService, catalog: Catalog, people: pl.DataFrame) -> None:
    version = data.commit("people", people)
    with catalog.read() as tx:
        (event,) = ledger.events(tx, subject="dataset:people@1", limit=5)
    assert (event.id, event.payload["digest"], event.payload["rows"]) == (version.event, version.digest, 3)


def test_advance_points_the_branch_elsewhere(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    data.commit("people", people.head(1))
    data.advance("people", 1)
    assert data.head("people").number == 1


def test_a_commit_after_a_step_back_gets_a_new_number(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people)
    data.commit("people", people.head(1))
    data.advance("people", 1)
    version = data.commit("people", people.head(2))
    assert (version.number, version.parent) == (3, 1)


def test_the_profile_is_made_once(data: DataService, people: pl.DataFrame, store: MemoryStore) -> None:
    data.commit("people", people)
    first = data.profile("people")
    kept = set(store.digests())
    assert data.profile("people") == first
    assert set(store.digests()) == kept


def test_the_profile_of_parts_is_that_of_the_whole(data: DataService, people: pl.DataFrame) -> None:
    data.commit("people", people.head(2))
    data.commit("people", people.tail(1), append=True)
    made = data.profile("people")
    assert made.rows == 3
    assert [(c.name, c.count, c.nulls, c.minimum, c.maximum) for c in made.columns] == [
        ("id", 3, 0, 1, 3),
        ("name", 3, 1, "Ann", "Bo"),
        ("age", 3, 0, 30, 50),
    ]


def test_a_tree_of_files_has_no_profile(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(b"a")
    data.commit("images", tmp_path / "in")
    with pytest.raises(DataError, match="has no profile"):
        data.profile("images")


def test_verify_finds_a_damaged_part(data: DataService, people: pl.DataFrame, store: MemoryStore) -> None:
    version = data.commit("people", people)
    assert data.verify().damaged == []
    part = data.parts(version)[0].digest
    store.damage(part)
    (damage,) = data.verify().damaged
    assert (damage.ref, damage.digest) == ("people@1", part)


def test_the_objects_of_a_version_are_all_it_needs(data: DataService, people: pl.DataFrame, store: MemoryStore) -> None:
    for number in range(40):
        data.commit("people", people.with_columns(id=pl.col("id") + 10 * number), append=True)
    assert len(data.objects(data.head("people"))) == 1 + 1 + 40


def test_the_versions_that_hold_an_object_are_found(data: DataService, people: pl.DataFrame) -> None:
    for number in range(40):
        data.commit("people", people.with_columns(id=pl.col("id") + 10 * number), append=True)
    part = data.parts(data.resolve("people@3"))[-1].digest
    data.commit("other", people.head(1))
    assert {version.ref for version in data.holding(part)} == {f"people@{number}" for number in range(3, 41)}


def test_the_version_that_holds_a_file_is_found(data: DataService, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    version = data.commit("images", tmp_path / "in")
    assert data.holding(digest_bytes(b"a")) == (version,)


def test_verbs_do_not_hide_their_plane() -> None:
    assert DataService.plane == "data"
