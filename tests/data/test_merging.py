"""Two lines of a table become one: cells, rows and columns that only one of them changed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.data import deltas, drafts, parts, reading
from mulle.data.manifest import Manifest
from mulle.data.merging import RowConflict, merge_tables
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat

START = pl.DataFrame({"id": [1, 2, 3], "x": [10, 20, 30], "s": ["a", "b", "c"]})


class Lines:
    """A base and two tables that were made of it."""

    def __init__(self, base: pl.DataFrame | None, ours: pl.DataFrame, theirs: pl.DataFrame, key: Any = ("id",)) -> None:
        self.store = MemoryStore()
        self.key = key
        before = None if base is None else self.made(base, None)
        self.merged, self.conflicts, self.count = merge_tables(
            self.store, before, self.made(ours, before), self.made(theirs, before)
        )

    def made(self, table: pl.DataFrame, head: Manifest | None) -> Manifest:
        return drafts.draft(self.store, table, "d", key=self.key, event_time=None, base=None, head=head)

    @property
    def table(self) -> pl.DataFrame:
        assert self.conflicts == []
        return reading.read_manifest(self.store, self.merged)


def with_x(key: int, value: int | None, table: pl.DataFrame = START) -> pl.DataFrame:
    return table.with_columns(x=pl.when(pl.col("id") == key).then(value).otherwise("x"))


def with_s(key: int, value: str, table: pl.DataFrame = START) -> pl.DataFrame:
    return table.with_columns(s=pl.when(pl.col("id") == key).then(pl.lit(value)).otherwise("s"))


def row(key: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [key], "x": [key * 10], "s": ["new"]})


def test_different_rows_are_merged() -> None:
    assert Lines(START, with_x(1, 11), with_x(3, 33)).table["x"].to_list() == [11, 20, 33]


def test_different_cells_of_a_row_are_merged() -> None:
    assert Lines(START, with_x(2, 22), with_s(2, "bb")).table.row(1) == (2, 22, "bb")


def test_our_order_is_kept_and_their_rows_come_last() -> None:
    found = Lines(START, pl.concat([row(9), START]), pl.concat([row(7), START.tail(2)])).table
    assert found["id"].to_list() == [9, 2, 3, 7]


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    found = Lines(START, pl.concat([with_x(1, 5), row(4)]), pl.concat([with_x(1, 5), row(4)]))
    assert found.table.equals(pl.concat([with_x(1, 5), row(4)]))


def test_one_cell_changed_differently_is_a_conflict() -> None:
    found = Lines(START, with_x(2, 25), with_x(2, 30))
    assert found.conflicts == [RowConflict(key={"id": 2}, cells={"x": [20, 25, 30]})]
    assert found.conflicts[0].told() == "id=2: x 25 here, 30 there"
    assert found.count == 1


def test_a_row_that_one_removed_and_the_other_changed_is_a_conflict() -> None:
    one, two = Lines(START, START.head(2), with_x(3, 31)), Lines(START, with_x(3, 31), START.head(2))
    assert one.conflicts == [RowConflict(key={"id": 3}, cells={"x": [30, None, 31]}, ours="removed")]
    assert two.conflicts == [RowConflict(key={"id": 3}, cells={"x": [30, 31, None]}, theirs="removed")]
    assert one.conflicts[0].told() == "id=3: removed here, changed there"


def test_a_row_that_both_added_differently_is_a_conflict() -> None:
    found = Lines(START, pl.concat([START, row(4)]), pl.concat([START, with_x(4, 0, row(4))]))
    assert found.conflicts == [RowConflict(key={"id": 4}, cells={"x": [None, 40, 0]}, ours="added", theirs="added")]


def test_a_column_that_one_side_added_is_taken() -> None:
    theirs = pl.concat([START, row(4)]).with_columns(y=pl.col("x") * 2)
    found = Lines(START, pl.concat([with_x(1, 11), row(5)]), theirs).table
    assert found.rows() == [
        (1, 11, "a", 20),
        (2, 20, "b", 40),
        (3, 30, "c", 60),
        (5, 50, "new", None),
        (4, 40, "new", 80),
    ]


def test_a_column_of_ours_is_null_in_their_new_rows() -> None:
    found = Lines(START, START.with_columns(y=pl.lit(1)), pl.concat([START, row(4)])).table
    assert found["y"].to_list() == [1, 1, 1, None]


def test_a_column_that_one_side_removed_is_gone() -> None:
    assert Lines(START, with_x(1, 11), START.drop("s")).table.columns == ["id", "x"]
    assert Lines(START, START.drop("s"), with_x(1, 11)).table.columns == ["id", "x"]


def test_a_cell_in_a_column_that_the_other_removed_is_a_conflict() -> None:
    assert Lines(START, with_s(1, "z"), START.drop("s")).conflicts[0].cells == {"s": ["a", "z", None]}
    assert Lines(START, START.drop("s"), with_s(1, "z")).conflicts[0].cells == {"s": ["a", None, "z"]}


def test_a_type_that_one_side_changed_is_taken() -> None:
    theirs = START.with_columns(pl.col("x").cast(pl.Float64) + 0.5)
    found = Lines(START, pl.concat([START, row(4)]), theirs).table
    assert found["x"].to_list() == [10.5, 20.5, 30.5, 40.0]
    assert Lines(START, theirs, pl.concat([START, row(4)])).table["x"].to_list() == [10.5, 20.5, 30.5, 40.0]


def test_a_column_that_both_changed_is_a_conflict() -> None:
    found = Lines(START, START.cast({"x": pl.Float64}), START.cast({"x": pl.String}))
    assert found.conflicts == [RowConflict(key={"column": "x"}, cells={"type": ["int64", "float64", "str"]})]


def test_without_a_common_version_equal_rows_are_one() -> None:
    assert Lines(None, START, pl.concat([START, row(4)])).table["id"].to_list() == [1, 2, 3, 4]


def test_many_conflicts_are_counted_and_a_hundred_listed() -> None:
    many = pl.DataFrame({"id": range(300), "x": [0] * 300})
    found = Lines(many, many.with_columns(x=pl.col("x") + 1), many.with_columns(x=pl.col("x") + 2))
    assert (len(found.conflicts), found.count) == (100, 300)


def test_a_column_that_both_added_has_to_have_the_same_cells() -> None:
    one, two = (
        START.with_columns(y=pl.lit(1)),
        with_x(1, 0).with_columns(y=pl.when(pl.col("id") == 2).then(5).otherwise(1)),
    )
    assert Lines(START, one, one).table.equals(one)
    assert Lines(START, one, two).conflicts == [RowConflict(key={"id": 2}, cells={"y": [None, 1, 5]})]


def test_rows_without_a_key_add_up() -> None:
    base = pl.DataFrame({"v": [1, 1, 2]})
    found = Lines(base, pl.DataFrame({"v": [1, 1, 2, 5]}), pl.DataFrame({"v": [1, 2, 7]}), key=())
    assert found.table["v"].to_list() == [1, 2, 5, 7]


def test_equal_rows_removed_by_both_without_a_key_are_a_conflict() -> None:
    base = pl.DataFrame({"v": [1, 2]})
    found = Lines(base, pl.DataFrame({"v": [1, 3]}), pl.DataFrame({"v": [1, 4]}), key=())
    assert [each.key for each in found.conflicts] == [{"v": 2}]


cells = st.tuples(st.sampled_from([None, 0, 1]), st.sampled_from(["a", "b"]))
tables = st.dictionaries(st.integers(0, 12), cells)
edits = st.dictionaries(st.integers(0, 12), st.none() | cells)


def expected(base: Any, ours: Any, theirs: Any) -> Any:
    """The merge by brute force, cell by cell; None where there is a conflict."""
    found: dict[int, Any] = {}
    for key in [*ours, *(key for key in theirs if key not in ours), *(key for key in base if key not in ours)]:
        was, mine, other = base.get(key), ours.get(key), theirs.get(key)
        if other in (mine, was):
            kept = mine
        elif mine == was:
            kept = other
        elif None in (was, mine, other):
            return None
        else:
            pairs = list(zip(was, mine, other, strict=True))
            if any(a not in (b, c) and b != c for a, b, c in pairs):
                return None
            kept = tuple(c if b == a else b for a, b, c in pairs)
        if kept is not None:
            found[key] = kept
    return found


def framed(rows: Any) -> pl.DataFrame:
    return pl.DataFrame(
        [(key, *values) for key, values in rows.items()],
        schema={"id": pl.Int64, "x": pl.Int64, "s": pl.String},
        orient="row",
    )


@pytest.mark.soak
@settings(max_examples=repeat(150, 10_000), deadline=None)
@given(tables, edits, edits)
def test_any_merge_is_that_of_brute_force(base: Any, one: Any, two: Any) -> None:
    ours, theirs = ({key: row for key, row in {**base, **edit}.items() if row is not None} for edit in (one, two))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "POLICY", deltas.Policy(small=0, group=600, sources=6, fresh=12, carried=3))
        patch.setattr(parts, "PART_ROWS", 5)
        found = Lines(framed(base), framed(ours), framed(theirs))
    wanted = expected(base, ours, theirs)
    if wanted is None:
        assert found.count > 0
    else:
        assert {row[0]: row[1:] for row in found.table.rows()} == wanted
