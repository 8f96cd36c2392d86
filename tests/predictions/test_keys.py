from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mulle.predictions.frames import key_text
from mulle.predictions.keys import key_texts

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.lists(st.tuples(TEXTS, st.integers(-(2**40), 2**40)), min_size=1, max_size=5))
def test_a_row_and_a_table_agree_about_keys(rows: list[tuple[str, int]]) -> None:
    table = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row")

    expected = [key_text(row, ["a", "b"]) for row in table.iter_rows(named=True)]

    assert key_texts(table, ["a", "b"]).to_list() == expected


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_different_keys_have_different_texts(one: tuple[str, str], two: tuple[str, str]) -> None:
    texts = [key_text({"a": row[0], "b": row[1]}, ["a", "b"]) for row in (one, two)]

    assert (texts[0] == texts[1]) == (one == two)


def test_one_column_is_its_own_text() -> None:
    assert key_text({"id": "2013-01-01T05 UA 15"}, ["id"]) == "2013-01-01T05 UA 15"


def test_a_missing_column_is_no_key() -> None:
    assert key_text({"a": None}, ["a"]) == key_text({}, ["a"]) == ""


def test_instants_agree() -> None:
    at = datetime(2013, 1, 1, 5, tzinfo=UTC)

    assert key_texts(pl.DataFrame({"at": [at]}), ["at"]).to_list() == [key_text({"at": at}, ["at"])]
