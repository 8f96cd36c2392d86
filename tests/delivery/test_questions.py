from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

from mulle.delivery.backtest.questions import Questions, edges
from mulle.features.training import ASKED

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def asked(days: int, a_day: int) -> Questions:
    at = pl.Series([START + DAY * day + timedelta(seconds=n) for day in range(days) for n in range(a_day)])
    rows = pl.DataFrame({"id": range(days * a_day), ASKED: at})
    return Questions(rows, ["id"], pl.Series([True] * rows.height), at)


def days(number: int) -> list[datetime]:
    return [START + DAY * day for day in range(number)]


def test_blocks_end_when_data_arrives() -> None:
    assert edges(asked(4, 300), days(9)) == [0, 300, 600, 900, 1200]


def test_small_stretches_go_together() -> None:
    found = edges(asked(10, 100), days(10))
    assert [found[0], found[-1]] == [0, 1000]
    assert all(high - low >= 256 for low, high in pairwise(found[:-1]))


def test_a_history_that_came_at_once_is_one_block() -> None:
    assert edges(asked(3, 10), [START]) == [0, 30]


def test_without_questions_there_are_no_blocks() -> None:
    rows = asked(1, 1).rows.clear()
    assert edges(Questions(rows, ["id"], rows["id"], rows[ASKED]), days(3)) == [0]
