from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.data.refs import At, parse, require_dataset, require_name, split
from mulle.errors import UsageError


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", At("head", "HEAD")),
        ("HEAD", At("head", "HEAD")),
        ("HEAD~", At("head", "HEAD", 1)),
        ("HEAD~12", At("head", "HEAD", 12)),
        ("7", At("number", "7")),
        ("20130101", At("number", "20130101")),
        ("b3:1f", At("digest", "1f")),
        ("1f0c77", At("digest", "1f0c77")),
        ("main", At("name", "main")),
        ("v1.0", At("name", "v1.0")),
        ("try-2~3", At("name", "try-2", 3)),
        ("1f0c7", At("name", "1f0c7")),
        ("2013-02-01", At("instant", "2013-02-01")),
        ("2013-02-01T06:00:00Z", At("instant", "2013-02-01T06:00:00Z")),
    ],
)
def test_what_stands_after_the_at(text: str, at: At) -> None:
    assert parse(text) == at


def test_a_date_is_its_midnight() -> None:
    assert parse("2013-02-01").instant == datetime(2013, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["a b", "a/", "-x", "~1", "@", "x~y", ".."])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(UsageError, match="is no version"):
        parse(text)


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("x", ("x", "")),
        (" x@3 ", ("x", "3")),
        ("dataset:x@HEAD~1", ("x", "HEAD~1")),
        ("a.b-c@b3:1f", ("a.b-c", "b3:1f")),
    ],
)
def test_a_reference_is_a_name_and_what_follows(ref: str, parts: Any) -> None:
    assert split(ref) == parts


@pytest.mark.parametrize("ref", ["", "@3", "x@", "a b@1"])
def test_a_reference_without_a_name_or_version_is_refused(ref: str) -> None:
    with pytest.raises(UsageError, match="names no version"):
        split(ref)


@pytest.mark.parametrize("name", ["", ".x", "-x", "a b", "a@b", "a/b", "a:b", "a\\b", "a\tb", "a\0b"])
def test_names_that_no_dataset_has(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a dataset"):
        require_dataset(name)


@pytest.mark.parametrize("name", ["flights", "flights_2013", "항공편", "a.b"])
def test_names_that_a_dataset_has(name: str) -> None:
    require_dataset(name)


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("HEAD", "the head"),
        ("3", "a number"),
        ("decade", "a digest"),
        ("2013-02-01", "an instant"),
        ("dev~1", "1 before a name"),
        ("a/-b", "nothing"),
        ("", "the head"),
    ],
)
def test_a_branch_cannot_look_like_another_form_of_a_version(name: str, read_as: str) -> None:
    with pytest.raises(UsageError, match=read_as):
        require_name("branch", name)


@given(st.text(min_size=1, max_size=12))
def test_a_name_that_is_allowed_means_itself(name: str) -> None:
    try:
        require_name("tag", name)
    except UsageError:
        return
    assert parse(name) == At("name", name)
