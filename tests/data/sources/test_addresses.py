from __future__ import annotations

from typing import Any

import pytest

from mulle.data.sources.addresses import source_at
from mulle.data.sources.port import Polled
from mulle.errors import UsageError


@pytest.mark.parametrize(
    ("address", "more", "kind"),
    [
        ("x.csv", {}, "files"),
        ("in/*.csv", {"follow": True}, "files"),
        ("x.log", {"follow": True}, "lines"),
        ("-", {}, "lines"),
        ("https://h/x.csv", {}, "http"),
        ("s3://b/*.csv", {}, "objects"),
        ("gs://b", {}, "objects"),
        ("postgresql://u@h/d", {"rows": "t"}, "sql"),
        ("postgres://u@h/d#t", {}, "sql"),
        ("sqlite:///x.db", {"rows": "SELECT 1", "cursor": "id"}, "sql"),
    ],
)
def test_an_address_says_which_source_it_is(address: str, more: dict[str, Any], kind: str) -> None:
    source = source_at(address, **more)
    assert isinstance(source, Polled)
    assert source.kind == kind


@pytest.mark.parametrize(
    ("address", "more", "told"),
    [
        ("sqlite:///x.db", {}, "which rows of the database"),
        ("x.csv", {"cursor": "a"}, "has no cursor"),
        ("x.csv", {"rows": "t"}, "has no tables"),
    ],
)
def test_what_does_not_go_together(address: str, more: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        source_at(address, **more)
