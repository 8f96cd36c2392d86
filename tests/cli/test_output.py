"""Tables, fields and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mulle.cli import output


class Head(msgspec.Struct):
    rows: int


class Dataset(msgspec.Struct):
    name: str
    head: Head


FLIGHTS = Dataset("flights", Head(3))


def test_a_table_in_a_pipe_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([FLIGHTS, Dataset("weather", Head(12))], ["name", "head.rows:rows"])
    assert capsys.readouterr().out == "name     rows\nflights     3\nweather    12\n"


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], ["name"], empty="no datasets yet")
    assert capsys.readouterr().out == "no datasets yet\n"


def test_fields_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    output.fields({"name": "delay", "reason": "", "rows": 0})
    assert capsys.readouterr().out == "name  delay\nrows  0\n"


def test_a_part_that_is_absent_is_none() -> None:
    assert output.part(FLIGHTS, "head.bytes.more") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (0.123456, "0.1235"),
        (1234567, "1234567"),
        (float("nan"), "-"),
        (0.00001, "1e-05"),
        (datetime(2013, 1, 2, 3, 4, tzinfo=UTC), "2013-01-02 03:04"),
        (timedelta(hours=26), "26 h 0 min"),
        ({"roc_auc": 0.7}, "roc_auc=0.7"),
        (["a", "b"], "a, b"),
    ],
)
def test_a_cell_reads_well(value: Any, text: str) -> None:
    assert output.cell(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.012, "12 ms"), (3.4, "3.4 s"), (125, "2 min 5 s"), (12000, "3 h 20 min"), (345600, "4.0 d")],
)
def test_a_span_reads_well(seconds: float, text: str) -> None:
    assert output.span(seconds) == text


def test_sizes_read_well() -> None:
    assert [output.size(count) for count in (5, 2048, 5 << 20, None)] == ["5 B", "2.0 KiB", "5.0 MiB", ""]


def test_json_is_one_line_of_what_records_hold() -> None:
    value = {"at": datetime(2013, 1, 2, tzinfo=UTC), "path": Path("a"), "scores": np.array([1.0]), "bad": float("nan")}
    assert output.encode(value) == '{"at":"2013-01-02T00:00:00Z","path":"a","scores":[1.0],"bad":null}'


def test_an_iterator_is_a_list() -> None:
    assert output.encode(iter([FLIGHTS])) == '[{"name":"flights","head":{"rows":3}}]'
