"""A large file that changed a little: only what is new in it travels, both ways."""

from __future__ import annotations

import os

import pytest
from tests.data.remotes.conftest import Meet

from mulle.store.bucket import Bucket
from mulle.store.cloud import CloudStore

FIRST = os.urandom(20_000_000)
SECOND = FIRST[:9_000_000] + os.urandom(200_000) + FIRST[9_000_000:]


@pytest.fixture
def edited(meet: Meet, address: str) -> str:
    """Two versions on the remote."""
    meet("ann").files("models", weights=FIRST)
    meet("ann").data.push("models", address)
    meet("ann").files("models", weights=SECOND)
    return address


def test_only_what_is_new_is_sent(meet: Meet, edited: str) -> None:
    assert meet("ann").data.push("models", edited).bytes < 400_000


def test_only_what_is_new_is_fetched(meet: Meet, edited: str) -> None:
    meet("ben").data.pull("models", edited)
    meet("ann").data.push("models", edited)
    assert meet("ben").data.pull("models", edited).bytes < 400_000
    assert meet("ben").contents("models") == {"weights": SECOND}
    assert meet("ben").data.verify().damaged == []


def test_both_come_whole_to_whoever_has_neither(meet: Meet, edited: str) -> None:
    meet("ann").data.push("models", edited)
    meet("ben").data.pull("models", edited, "HEAD")
    assert meet("ben").contents("models") == {"weights": SECOND}


def test_a_bucket_reads_it_by_its_recipe(meet: Meet, folder: str, edited: str) -> None:
    meet("ann").data.push("models", folder)
    store = CloudStore(Bucket(folder), meet("ben").folder / "other")
    large = [digest for digest in store.digests() if store.size(digest) > 1_000_000]
    assert sorted(store.get(digest) for digest in large) == sorted([FIRST, SECOND])
    assert sorted(store.path(digest).read_bytes() for digest in large) == sorted([FIRST, SECOND])
    assert [store.read_range(digest, 15_000_000, 3) for digest in large if store.size(digest) > len(FIRST)] == [
        SECOND[15_000_000:15_000_003]
    ]
    assert list(store.verify()) == []
    assert store.missing(large) == []
