"""The learning problem that a table holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mulle.errors import DataError, UnknownNameError
from mulle.workspace.scaffold_columns import columns_of
from mulle.workspace.scaffold_plan import Plan, plan, positive_of

ROWS = 400


def decided(values: dict[str, Any], target: str = "y", *, time: str = "", key: tuple[str, ...] = ()) -> Plan:
    table, columns = columns_of(pl.DataFrame(values), {name: name for name in values})
    return plan(table, columns, target, time=time, key=list(key))


def noise(seed: int = 0) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(size=ROWS)]


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([index % 2 == 0 for index in range(ROWS)], "binary"),
        (["yes", "no"] * (ROWS // 2), "binary"),
        ([index % 3 for index in range(ROWS)], "multiclass"),
        (["a", "b", "c", "d"] * (ROWS // 4), "multiclass"),
        ([float(index % 5) for index in range(ROWS)], "multiclass"),
        (noise(1), "regression"),
        (list(range(ROWS)), "regression"),
    ],
)
def test_the_task_follows_from_the_target(target: list[Any], task: str) -> None:
    assert decided({"x": noise(), "y": target}).task == task


def test_what_cannot_teach_is_not_used() -> None:
    texts = [f"a long remark {index}" for index in range(ROWS)]
    found = decided({"x": noise(), "same": [1] * ROWS, "remark": texts, "row_id": list(range(ROWS)), "y": noise(1)})
    assert (found.numbers, set(found.dropped), found.key) == (["x"], {"same", "row_id"}, ["remark"])


def test_a_column_that_gives_the_answer_away_is_set_aside() -> None:
    delay = noise()
    found = decided({"x": noise(2), "delay": delay, "y": [value > 0.3 for value in delay]})
    assert found.outcomes == ["delay"]


def test_a_column_that_is_known_only_with_the_answer_is_set_aside() -> None:
    known = [index % 4 > 0 for index in range(ROWS)]
    air = [value if there else None for value, there in zip(noise(3), known, strict=True)]
    found = decided(
        {"x": noise(), "air": air, "y": [v > 0 if k else None for v, k in zip(noise(4), known, strict=True)]}
    )
    assert (found.outcomes, found.target.nulls) == (["air"], ROWS // 4)


def test_a_time_column_cuts_history() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=6 * index) for index in range(ROWS)]
    found = decided({"x": noise(), "at": times, "y": noise(1)}, time="at")
    assert found.window is not None
    assert (found.window.every, found.window.start, found.numbered) == ("1d", times[0], True)
    assert found.window.end > times[-1]


def test_a_key_of_several_columns_still_teaches() -> None:
    found = decided(
        {
            "day": [index // 4 for index in range(ROWS)],
            "shop": ["abcd"[index % 4] for index in range(ROWS)],
            "y": noise(),
        },
        key=("day", "shop"),
    )
    assert (found.key, found.numbers, found.categories) == (["day", "shop"], ["day"], ["shop"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x": noise(), "y": [1] * ROWS}, "only the value 1"),
        ({"x": noise(), "y": [None] * ROWS}, "no value at all"),
        ({"x": noise(), "y": [f"t{i}" for i in range(ROWS)]}, "different texts"),
        ({"y": noise()}, "no column is left"),
    ],
)
def test_what_cannot_be_learned_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        decided(values)


def test_an_unknown_column_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'late'"):
        decided({"x": noise(), "late": noise(1)}, "lat")


def test_a_key_that_is_none_shows_an_example() -> None:
    with pytest.raises(DataError, match="is not a key: 400 rows") as caught:
        decided({"x": noise(), "k": [1, 2] * (ROWS // 2), "y": noise(1)}, key=("k",))
    assert "k=1" in (caught.value.cause or "")


def test_a_time_column_must_hold_times() -> None:
    with pytest.raises(DataError, match="does not hold times"):
        decided({"x": noise(), "y": noise(1)}, time="x")


@pytest.mark.parametrize(
    ("values", "positive"),
    [(["yes", "no", "no"], "yes"), (["a", "b", "b"], "a"), ([1, 2, 2], 2), ([0, 1, 1], None), ([True, False], None)],
)
def test_which_of_two_values_is_asked_about(values: list[Any], positive: Any) -> None:
    assert positive_of(pl.Series(values)) == positive
