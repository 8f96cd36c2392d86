"""What travels between two workspaces, over each kind of remote."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import TextClause, text
from tests.data.remotes.conftest import Meet

from mulle.data.model import Version
from mulle.errors import DataError, MulleError, StoreError, UnknownNameError
from mulle.store.bucket import Bucket


def portable(version: Version) -> Version:
    """A version without what is of one workspace only."""
    return msgspec.structs.replace(Version(**{n: getattr(version, n) for n in Version.__struct_fields__}), event="")


def test_a_pulled_table_is_the_same_version(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1, 2)
    meet("ann").rows("flights", 3)
    meet("ann").data.push("flights", address)
    meet("ben").data.pull("flights", address)
    theirs, ours = meet("ben").data.log("flights"), meet("ann").data.log("flights")
    assert [portable(each) for each in theirs] == [portable(each) for each in ours]
    assert meet("ben").data.read("flights").equals(meet("ann").data.read("flights"))
    assert meet("ben").data.verify().damaged == []


def test_pulled_files_are_the_same_bytes(meet: Meet, address: str) -> None:
    contents = {f"d{n % 3}__f{n}": os.urandom(n * 100) for n in range(40)} | {"large": os.urandom(20_000_000)}
    meet("ann").files("images", **contents)
    meet("ann").data.push("images", address)
    meet("ben").data.pull("images", address)
    assert meet("ben").contents("images") == {path.replace("__", "/"): data for path, data in contents.items()}


def test_what_is_there_is_not_sent_again(meet: Meet, address: str) -> None:
    meet("ann").files("images", **{f"f{n}": os.urandom(4000) for n in range(100)})
    first = meet("ann").data.push("images", address)
    again = meet("ann").data.push("images", address)
    meet("ann").files("images", f7=b"changed")
    second = meet("ann").data.push("images", address)
    assert (first.objects, again.objects, second.objects) == (102, 0, 3)  # a file, its folder's node, the manifest


def test_what_is_here_is_not_fetched_again(meet: Meet, address: str) -> None:
    meet("ann").files("images", **{f"f{n}": os.urandom(4000) for n in range(100)})
    meet("ann").data.push("images", address)
    first = meet("ben").data.pull("images", address)
    again = meet("ben").data.pull("images", address)
    meet("ann").files("images", f7=b"changed")
    meet("ann").data.push("images", address)
    second = meet("ben").data.pull("images", address)
    assert (first.objects, again.objects, second.objects) == (102, 0, 3)


def test_branches_and_tags_travel_with_everything(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.tag("flights", "v1.0")
    meet("ann").data.branch("flights", "feature/x")
    meet("ann").rows("flights", 2, branch="feature/x")
    meet("ann").data.push("flights", address, everything=True)
    report = meet("ben").data.pull("flights", address)
    assert (report.branches, report.tags) == ({"main": "new", "feature/x": "new"}, ["v1.0"])
    assert meet("ben").data.read("flights@feature/x").height == 2


def test_a_branch_that_others_continued_moves_forward(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", address)
    meet("ben").data.pull("flights", address)
    meet("ben").rows("flights", 2)
    meet("ben").data.push("flights", address)
    assert meet("ann").data.pull("flights", address).branches == {"main": "fast-forward"}
    assert meet("ann").data.read("flights")["text"].to_list() == ["ann 1", "ben 2"]


def test_who_comes_second_is_told_to_pull_and_finds_the_other_line_on_a_branch(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", address)
    meet("ben").data.pull("flights", address)
    meet("ann").rows("flights", 2)
    meet("ben").rows("flights", 3)
    meet("ben").data.push("flights", address)
    with pytest.raises(DataError, match="not in yours") as caught:
        meet("ann").data.push("flights", address)
    assert "mulle data pull flights" in str(caught.value.cure)
    report = meet("ann").data.pull("flights", address)
    assert report.branches == {"main": "diverged: remote/main"}
    assert meet("ann").data.read("flights@remote/main")["key"].to_list() == [1, 3]
    assert meet("ann").data.read("flights")["key"].to_list() == [1, 2]


def test_a_remote_is_listed_without_pulling(meet: Meet, address: str) -> None:
    version = meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", address)
    found = meet("ben").remotes.list(address)
    assert [(each.name, each.versions, each.branches["main"].id) for each in found] == [("flights", 1, version.id)]
    assert meet("ben").data.list() == []


def test_an_unknown_dataset_suggests_the_nearest(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", address)
    with pytest.raises(UnknownNameError, match="flihgts") as caught:
        meet("ben").data.pull("flihgts", address)
    assert "flights" in str(caught.value.cause)


def test_a_push_and_a_pull_are_in_the_ledger_and_in_the_lineage(meet: Meet, address: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", address)
    meet("ben").data.pull("flights", address)
    with meet("ann").catalog.read() as tx:
        pushed = tx.execute(_text("SELECT count(*) FROM event WHERE verb = 'data.push'")).scalar()
    with meet("ben").catalog.read() as tx:
        pulled = tx.execute(_text("SELECT target FROM edge WHERE source = 'dataset:flights@1'")).scalars().all()
    assert pushed == 1
    assert [each.partition("#")[2][:8] for each in pulled] == ["flights@"]


def test_a_tag_that_names_another_version_there_is_refused(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    meet("ben").data.pull("flights", folder)
    meet("ann").data.tag("flights", "v1.0")
    meet("ann").data.push("flights", folder)
    meet("ben").rows("flights", 2)
    meet("ben").data.tag("flights", "v1.0")
    with pytest.raises(DataError, match=r"tag 'v1.0'"):
        meet("ben").data.push("flights", folder)


def test_the_place_of_a_removed_version_is_kept(meet: Meet, folder: str) -> None:
    for key in (1, 2, 3):
        meet("ann").rows("flights", key)
    meet("ann").data.rm("flights@2")
    meet("ann").data.push("flights", folder)
    meet("ben").data.pull("flights", folder)
    meet("ben").rows("flights", 4)
    meet("ben").data.push("flights", folder)
    assert meet("ann").data.pull("flights", folder).branches == {"main": "fast-forward"}
    assert meet("ann").data.verify().damaged == []


def test_what_was_removed_here_does_not_come_back(meet: Meet, folder: str) -> None:
    for key in (1, 2, 3):
        meet("ann").rows("flights", key)
    meet("ann").data.push("flights", folder)
    meet("ann").data.rm("flights@2")
    meet("ann").data.pull("flights", folder)
    assert [each.number for each in meet("ann").data.log("flights")] == [3, 1]


def test_a_removed_dataset_comes_back_as_it_was(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    version = meet("ann").rows("flights", 2)
    meet("ann").data.push("flights", folder)
    meet("ann").data.rm("flights", force=True)
    meet("ann").data.pull("flights", folder)
    assert portable(meet("ann").data.head("flights")) == portable(version)


def test_a_number_that_is_taken_here_becomes_another(meet: Meet, folder: str) -> None:
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    meet("ben").rows("flights", 2)
    report = meet("ben").data.pull("flights", folder)
    assert report.versions == ["flights@2"]
    assert meet("ben").data.resolve("flights@remote/main").number == 2


def test_a_dataset_of_another_kind_is_refused(meet: Meet, folder: str) -> None:
    meet("ann").rows("things", 1)
    meet("ann").data.push("things", folder)
    meet("ben").files("things", one=b"1")
    with pytest.raises(DataError, match="another dataset"):
        meet("ben").data.pull("things", folder)


def test_names_of_any_script_travel(meet: Meet, folder: str) -> None:
    meet("ann").rows("항공편=%#?", 1)
    meet("ann").data.push("항공편=%#?", folder)
    assert [each.name for each in meet("ben").remotes.list(folder)] == ["항공편=%#?"]
    assert meet("ben").data.pull("항공편=%#?", folder).versions == ["항공편=%#?@1"]


def test_a_damaged_object_there_is_named_and_changes_nothing_here(meet: Meet, folder: str) -> None:
    meet("ann").files("images", large=os.urandom(2_000_000), small=b"small")
    meet("ann").data.push("images", folder)
    bucket = Bucket(folder)
    [(key, _)] = list(bucket.keys("objects"))
    with (meet("ann").folder.parent / "remote" / key).open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(StoreError, match=key.rpartition("/")[2]):
        meet("ben").data.pull("images", folder)
    assert meet("ben").data.list() == []


def test_an_unknown_remote_says_how_to_name_one(meet: Meet) -> None:
    meet("ann").rows("flights", 1)
    with pytest.raises(MulleError, match="unknown remote 'origin'") as caught:
        meet("ann").data.push("flights", "origin")
    assert "[remotes]" in str(caught.value.cure)


def _text(statement: str) -> TextClause:
    return text(statement)


def test_the_name_of_a_folder_that_is_there_is_its_path(
    meet: Meet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet("ann").rows("flights", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MulleError, match="unknown remote 'shared'") as caught:
        meet("ann").data.push("flights", "shared")
    assert "./shared" in str(caught.value.cure)
    (tmp_path / "shared").mkdir()
    assert meet("ann").data.push("flights", "shared").versions == ["flights@1"]
