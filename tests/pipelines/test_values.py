"""Every kind of value comes back equal, and equal values are one object."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.errors import PipelineError
from mulle.pipelines import arrow, values
from mulle.pipelines.values import Shelf

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=plain)
def test_plain_values_come_back_equal_and_of_the_same_types(tmp_path_factory: Any, value: Any) -> None:
    from mulle.access import Signer
    from mulle.store import LocalStore

    root = tmp_path_factory.getbasetemp() / "plain"
    shelf = Shelf(LocalStore(root, durable=False), Signer(root / "keys"), root / "scratch")
    assert repr(values.decode(values.encode(value, shelf), shelf)) == repr(value)


@pytest.mark.parametrize("value", [(1, 2), {1, 2}, datetime(2013, 1, 1, tzinfo=UTC), timedelta(1), 1 << 70, {1: "a"}])
def test_other_values_come_back_by_a_signed_pickle(shelf: Shelf, value: Any) -> None:
    ref = values.encode(value, shelf)
    assert (ref.codec, values.decode(ref, shelf)) == ("pickle", value)


def test_a_pickle_of_another_workspace_is_not_loaded(shelf: Shelf) -> None:
    ref = msgspec.structs.replace(values.encode((1, 2), shelf), seal="b3k:" + "0" * 64)
    with pytest.raises(PipelineError, match="not signed by this workspace"):
        values.decode(ref, shelf)


TABLE = pl.DataFrame({
    "i": [1, None, 3],
    "f": [None, 2.0, 0.5],
    "s": ["x", None, "yy" * 20],
    "b": [True, None, False],
    "t": [datetime(2013, 1, 1, tzinfo=UTC), None, None],
    "l": [[1], None, [2, 3]],
}).with_columns(
    e=pl.Series(["u", None, "v"], dtype=pl.Enum(["u", "v"])),
    c=pl.Series(["u", None, "v"], dtype=pl.Categorical),
    n=pl.struct("i", "s"),
    d=pl.Series([1, None, 2]).cast(pl.Decimal(10, 2)),
)  # fmt: skip


def test_a_table_comes_back_equal(shelf: Shelf) -> None:
    back = values.decode(values.encode(TABLE, shelf), shelf)
    assert back.schema == TABLE.schema
    assert back.equals(TABLE)


def test_an_empty_table_keeps_its_columns(shelf: Shelf) -> None:
    assert values.decode(values.encode(TABLE.clear(), shelf), shelf).schema == TABLE.schema


@pytest.mark.parametrize("column", TABLE.columns)
def test_equal_tables_are_one_object_however_they_were_made(column: str) -> None:
    pieces = pl.concat([TABLE[:1], TABLE[1:2], TABLE[2:]], rechunk=False).select(column)
    filtered = pl.concat([TABLE, TABLE]).with_row_index("#").filter(pl.col("#") >= 3).select(column)
    assert arrow.encode(TABLE.select(column)) == arrow.encode(pieces) == arrow.encode(filtered)


def test_what_lies_under_a_null_does_not_count() -> None:
    under = pl.DataFrame({"x": [1.0, 7.0, 3.0]}).with_columns(pl.when(pl.col("x") != 7).then(pl.col("x")))
    assert arrow.encode(under) == arrow.encode(pl.DataFrame({"x": [1.0, None, 3.0]}))


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(1.5), np.array(["a", "bc"])])
def test_arrays_come_back_equal_and_may_be_changed(shelf: Shelf, array: np.ndarray) -> None:
    back = values.decode(values.encode(array, shelf), shelf)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    back[...] = array


def test_a_file_is_its_content_and_name(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    back = values.decode(values.encode(tmp_path / "notes.txt", shelf), shelf)
    assert (back.name, back.read_text()) == ("notes.txt", "hello")


def test_a_folder_is_its_files(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f.txt").write_text("deep")
    back = values.decode(values.encode(tmp_path / "d", shelf), shelf)
    assert (back / "e/f.txt").read_text() == "deep"


def test_a_path_that_is_not_there_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no file"):
        values.encode(tmp_path / "missing", shelf)


def test_a_lock_cannot_be_kept(shelf: Shelf) -> None:
    import threading

    with pytest.raises(PipelineError, match="cannot be kept"):
        values.encode(threading.Lock(), shelf)
