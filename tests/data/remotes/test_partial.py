"""Pulling a part: a path of a tree, or the content of one version."""

from __future__ import annotations

import os

import pytest
from tests.data.remotes.conftest import Meet

from mulle.data import parts
from mulle.errors import StoreError, UnknownNameError

CATS, DOGS = os.urandom(3000), os.urandom(3_000_000)


@pytest.fixture
def shared(meet: Meet, address: str) -> str:
    """Two versions of some images, on the remote."""
    meet("ann").files("images", train__cats__a=CATS, train__dogs__b=DOGS, readme=b"one")
    meet("ann").files("images", readme=b"two")
    meet("ann").data.push("images", address)
    return address


def test_a_path_is_fetched_alone(meet: Meet, shared: str) -> None:
    report = meet("ben").data.pull("images", shared, path="train/cats")
    assert report.partial
    assert report.bytes < 10_000
    meet("ben").data.checkout("images", meet("ben").folder / "cats", parts=("train/cats",))
    assert (meet("ben").folder / "cats" / "train" / "cats" / "a").read_bytes() == CATS


def test_a_single_file_is_fetched_alone(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("images", shared, path="readme")
    meet("ben").data.checkout("images", meet("ben").folder / "out", parts=("readme",))
    assert (meet("ben").folder / "out" / "readme").read_bytes() == b"two"


def test_the_rest_says_how_to_get_it(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("images", shared, path="train/cats")
    with pytest.raises(StoreError, match="only a part of images@2 is here") as caught:
        meet("ben").contents("images")
    version = meet("ben").data.head("images")
    assert caught.value.cure == f"mulle data pull images {shared} --version b3:{version.id[3:15]}"


def test_the_rest_comes_with_the_cure(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("images", shared, path="train/cats")
    meet("ben").data.pull("images", shared, f"b3:{meet('ben').data.head('images').id[3:15]}")
    assert meet("ben").contents("images")["train/dogs/b"] == DOGS


def test_the_rest_comes_with_a_plain_pull(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("images", shared, path="train/cats")
    report = meet("ben").data.pull("images", shared)
    assert not report.partial
    assert meet("ben").contents("images@1")["readme"] == b"one"


def test_what_stayed_there_is_not_missed_by_verify(meet: Meet, shared: str) -> None:
    meet("ben").data.pull("images", shared, path="train/cats")
    assert meet("ben").data.verify().damaged == []


def test_the_content_of_one_version_is_fetched_alone(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.tag("flights", "v1.0")
    meet("ann").rows("flights", 2)
    meet("ann").data.push("flights", folder)
    report = meet("ben").data.pull("flights", folder, "v1.0")
    assert report.partial
    assert meet("ben").data.read("flights@1")["key"].to_list() == [1]
    parts.forget()
    with pytest.raises(StoreError, match="only a part of flights@2 is here"):
        meet("ben").data.read("flights@2")


def test_a_version_that_is_not_there_is_an_error(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    with pytest.raises(UnknownNameError, match=r"v9"):
        meet("ben").data.pull("flights", folder, "v9")


@pytest.mark.parametrize("path", ["train/cows", "readme/x", "../escape"])
def test_a_path_that_is_not_there_is_an_error(meet: Meet, folder: str, path: str) -> None:
    meet("ann").files("images", readme=b"one")
    meet("ann").data.push("images", folder)
    with pytest.raises(StoreError, match="there is no"):
        meet("ben").data.pull("images", folder, path=path)
    assert meet("ben").data.list() == []


def test_a_path_of_a_table_is_an_error(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    with pytest.raises(StoreError, match="no paths"):
        meet("ben").data.pull("flights", folder, path="key")


def test_a_commit_on_top_of_a_part_can_be_pushed(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    meet("ann").rows("flights", 2)
    meet("ann").data.push("flights", folder)
    meet("ben").data.pull("flights", folder, "main")
    meet("ben").rows("flights", 3)
    meet("ben").data.push("flights", folder)
    assert meet("ann").data.pull("flights", folder).branches == {"main": "fast-forward"}
    assert meet("ann").data.read("flights")["key"].to_list() == [1, 2, 3]


def test_gc_keeps_what_is_here_and_misses_nothing(meet: Meet, folder: str) -> None:
    meet("ann").files("images", train__cats__a=CATS, train__dogs__b=DOGS)
    meet("ann").data.push("images", folder)
    meet("ben").data.pull("images", folder, path="train/cats")
    meet("ben").data.gc(grace="0s")
    meet("ben").data.checkout("images", meet("ben").folder / "cats", parts=("train/cats",))
    assert (meet("ben").folder / "cats" / "train" / "cats" / "a").read_bytes() == CATS
