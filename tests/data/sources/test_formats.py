from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.clock import VirtualClock
from mulle.data.sources import formats
from mulle.data.sources.formats import Stretch, end_of_rows, header_of, inferred, read_csv, read_jsonl, read_lines
from mulle.data.sources.port import Place
from mulle.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)


def place(columns: list[str] | None = None, **types: Any) -> Place:
    return Place(Path(), Path(), VirtualClock(START), types, columns)


def csv(text: str | bytes, header: str = "a,b", **types: Any) -> formats.Found:
    data = text if isinstance(text, bytes) else text.encode()
    return read_csv(Stretch(data, "x.csv", 2), header.split(","), "csv", place(**types), 2)


def rows(found: formats.Found) -> list[Any]:
    return [] if found.table is None else found.table.rows()


def test_lines_with_too_few_or_too_many_fields_are_put_aside_with_their_place() -> None:
    found = csv("1,x\n2\n\n3,y,z\n4,w\n")
    assert rows(found) == [(1, "x"), (4, "w")]
    assert found.bad.rows() == [("2", "1 fields, not 2", "x.csv:3"), ("3,y,z", "3 fields, not 2", "x.csv:5")]


def test_so_are_those_with_quoted_fields() -> None:
    found = csv('1,"x,1"\n2,"y\nz",w\n3,"q ""q"""\n')
    assert rows(found) == [(1, "x,1"), (3, 'q "q"')]
    assert found.bad["source"].to_list() == ["x.csv:3"]


def test_what_is_no_utf8_is_put_aside() -> None:
    found = csv(b"1,x\n2,\xff\n3,z\n")
    assert rows(found) == [(1, "x"), (3, "z")]
    assert found.bad["reason"].to_list() == ["no UTF-8"]


def test_a_column_of_a_wanted_type_is_read_so() -> None:
    found = csv("01,yes\nNA,no\n", a=pl.String(), b=pl.Boolean())
    assert rows(found) == [("01", True), ("NA", False)]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "NA"], [1, None]),
        (["NA", "None"], ["NA", "None"]),
        (["true", "False"], [True, False]),
        (["2024-01-01", None], [date(2024, 1, 1), None]),
        (["2024-01-01T10:00:00Z"], [datetime(2024, 1, 1, 10, tzinfo=UTC)]),
        (["2024-01-01 10:00"], [datetime(2024, 1, 1, 10)]),  # noqa: DTZ001
        (["2024-01-01T10:00:00+09:00"], [datetime(2024, 1, 1, 1, tzinfo=UTC)]),
        (["2024-13-01"], ["2024-13-01"]),
        (["x", "1"], ["x", "1"]),
        ([None, None], [None, None]),
    ],
)
def test_text_is_taken_for_what_all_of_it_says(given: list[str | None], values: list[Any]) -> None:
    assert inferred(pl.Series("a", given, dtype=pl.String)).to_list() == values


@pytest.mark.parametrize(
    ("line", "why"), [(b"a,a\n", "'a' stands there twice"), (b"a,,b\n", "no name"), (b"\n", "no name")]
)
def test_a_header_that_names_no_columns(line: bytes, why: str) -> None:
    with pytest.raises(DataError, match="names no columns") as caught:
        header_of(line, "csv", "x.csv")
    assert why in (caught.value.cause or "")


def test_a_mark_of_byte_order_is_no_part_of_the_first_name() -> None:
    assert header_of(b"\xef\xbb\xbfa,b\r\n", "csv", "x.csv") == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "end"), [(b"1\n2", 2), (b"1", 0), (b'1,"x\ny', 0), (b'1,a\n2,"x\ny', 4), (b'1,"x\ny"\n', 8)]
)
def test_rows_end_where_a_line_does_outside_of_quotes(data: bytes, end: int) -> None:
    assert end_of_rows(data, "csv") == end


def test_json_of_several_types_falls_back_to_single_lines() -> None:
    found = read_jsonl(Stretch(b'{"a":1}\n{"a":"x"}\n{"a":3}\n', "x", 1), place(a=pl.Int64()), 50)
    assert rows(found) == [(1,), (3,)]
    assert found.bad["source"].to_list() == ["x:2"]


def test_nested_json_is_kept() -> None:
    found = read_jsonl(Stretch(b'{"a":{"b":1},"c":[1,2]}\n', "x", 1), place(), 50)
    assert rows(found) == [({"b": 1}, [1, 2])]


def test_what_a_function_raises_is_the_reason() -> None:
    def parse(line: str) -> dict[str, Any]:
        if line == "bad":
            raise ValueError("too bad")
        return {"a": line}

    found = read_lines(Stretch(b"x\nbad\ny\n", "log", 10), parse, place(), 50)
    assert rows(found) == [("x",), ("y",)]
    assert found.bad.rows() == [("bad", "too bad", "log:11")]


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('",\n'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_csv_that_polars_writes_is_read_back(given: list[tuple[str, str]]) -> None:
    table = pl.DataFrame(given, schema={"a": pl.String, "b": pl.String}, orient="row")
    found = csv(table.write_csv(include_header=False, quote_style="always"), a=pl.String(), b=pl.String())
    assert found.bad.height == 0
    assert rows(found) == given
