import dataclasses
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import UsageError
from mulle.hashing import canonical, digest_value

plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.datetimes(timezones=st.just(UTC)), st.dates(), st.timedeltas(), st.decimals(allow_nan=False),
)  # fmt: skip
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.none())
values = st.recursive(plain, lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)), max_leaves=15)


class Colour(Enum):
    RED = 1
    BLUE = 2


class Point(msgspec.Struct):
    x: int
    y: int


@dataclasses.dataclass
class Place:
    x: int
    y: int


class Name(str):
    __slots__ = ()


def shape(value: Any) -> Any:
    """A value with its types spelled out, so that == means what the digest must mean."""
    if isinstance(value, dict):
        return ("dict", frozenset((shape(key), shape(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(shape, value)))
    if isinstance(value, float | Decimal):
        return (type(value), str(value))
    return (type(value), value)


@given(values, values)
def test_two_values_share_a_digest_only_if_they_are_equal(one: Any, other: Any) -> None:
    assert (digest_value(one) == digest_value(other)) == (shape(one) == shape(other))


@given(st.dictionaries(keys, plain))
def test_the_order_of_a_dict_does_not_matter(value: dict[Any, Any]) -> None:
    assert digest_value(dict(reversed(value.items()))) == digest_value(value)


@given(st.sets(st.one_of(st.text(), st.integers())))
def test_a_set_is_the_same_however_it_was_made(value: set[Any]) -> None:
    assert digest_value(frozenset(sorted(value, key=str))) == digest_value(value)


@given(st.lists(plain))
def test_a_tuple_is_a_list(value: list[Any]) -> None:
    assert digest_value(tuple(value)) == digest_value(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1), (1, 1.0), ("1", 1), (b"a", "a"), (None, False), ([], {}), ([], set()), ({}, set()),
        ([1, [2]], [[1], 2]), (["ab", "c"], ["a", "bc"]), (0.0, -0.0), (Colour.RED, Colour.BLUE), (Colour.RED, 1),
        (Point(1, 2), Point(2, 1)), (Point(1, 2), Place(1, 2)), (Point(1, 2), {"x": 1, "y": 2}),
        (date(2013, 1, 1), "2013-01-01"), (timedelta(1), timedelta(2)), (PurePosixPath("a"), "a"),
        (Decimal("1.0"), Decimal("1.00")),
    ],
)  # fmt: skip
def test_these_differ(one: Any, other: Any) -> None:
    assert digest_value(one) != digest_value(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))),
        (float("nan"), -float("nan")), (np.int64(7), 7), (np.float64(0.5), 0.5), (np.bool_(True), True),
        (np.str_("a"), "a"), (bytearray(b"a"), b"a"), (Name("a"), "a"), (Point(1, 2), Point(1, 2)),
        (Place(1, 2), Place(1, 2)), ({1, 2}, frozenset([2, 1])),
    ],
)  # fmt: skip
def test_these_are_the_same(one: Any, other: Any) -> None:
    assert digest_value(one) == digest_value(other)


@pytest.mark.parametrize("value", [object(), lambda: 1, np.zeros(3), [object()], {"a": {1j}}, int])
def test_what_has_no_canonical_bytes_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="no canonical digest"):
        canonical(value)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        canonical(datetime(2013, 1, 1))  # noqa: DTZ001


def test_another_process_finds_the_same_digest() -> None:
    code = "from mulle.hashing import digest_value; print(digest_value({'b': {3, 1, 'x'}, 'a': [1.5, None, '물레']}))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {digest_value({"a": [1.5, None, "물레"], "b": {1, 3, "x"}}) + "\n"}
