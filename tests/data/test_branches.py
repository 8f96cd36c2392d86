from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from mulle.catalog import Catalog, ledger
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, UnknownNameError, UsageError
from mulle.verbs import acting


def rows(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame({"x": numbers}, schema={"x": pl.Int64})


def commit(data: DataService, *numbers: int, **where: Any) -> Any:
    return data.commit("x", rows(*numbers), **where)


@pytest.fixture
def parted(data: DataService, clock: VirtualClock) -> Any:
    """main is at x@3, dev at x@4; both come from x@2."""
    for numbers, branch in [((1,), "main"), ((1, 2), "main"), ((1, 2, 3), "main"), ((1, 2, 4), "dev")]:
        if branch == "dev":
            data.branch("x", "dev", "x@2")
        clock.sleep(3600)
        commit(data, *numbers, branch=branch)


def test_a_branch_begins_at_the_head_of_main(data: DataService) -> None:
    commit(data, 1)
    commit(data, 2)
    assert [(ref.name, ref.version) for ref in data.branch("x", "dev")] == [("dev", "x@2")]


def test_a_branch_begins_where_it_is_told(data: DataService) -> None:
    commit(data, 1)
    commit(data, 2)
    assert data.branch("x", "a", "1")[0].number == data.branch("x", "b", "x@HEAD~1")[0].number == 1


def test_a_commit_to_a_branch_leaves_main_where_it_is(data: DataService, parted: Any) -> None:
    assert data.head("x").number == 3
    assert data.resolve("x@dev").number == 4
    assert data.read("x@dev")["x"].to_list() == [1, 2, 4]


def test_a_version_says_which_branch_it_was_committed_to(data: DataService, parted: Any) -> None:
    assert [(each.number, each.branch, each.parent) for each in data.log("x")] == [
        (4, "dev", 2), (3, "main", 2), (2, "main", 1), (1, "main", None),
    ]  # fmt: skip


def test_an_append_to_a_branch_follows_its_own_head(data: DataService, parted: Any) -> None:
    made = commit(data, 5, append=True, branch="dev")
    assert data.read(made)["x"].to_list() == [1, 2, 4, 5]


def test_the_history_of_a_branch_is_what_went_into_it(data: DataService, parted: Any) -> None:
    assert [each.number for each in data.log("x@dev")] == [4, 2, 1]
    assert [each.number for each in data.log("x@main")] == [3, 2, 1]
    assert [each.number for each in data.versions("x")] == [3, 2, 1]


def test_the_history_tells_branches_and_tags(data: DataService, parted: Any) -> None:
    data.tag("x", "v1", "x@2")
    assert {each.number: (each.branches, each.tags) for each in data.log("x")} == {
        4: (["dev"], []), 3: (["main"], []), 2: ([], ["v1"]), 1: ([], []),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at", "number"), [("dev", 4), ("dev~1", 2), ("dev~2", 1), ("main", 3), ("HEAD~1", 2), ("v1", 1)]
)
def test_a_name_means_a_version(data: DataService, parted: Any, at: str, number: int) -> None:
    data.tag("x", "v1", "x@1")
    assert data.resolve(f"x@{at}").number == number


def test_an_instant_means_what_main_had_by_then(data: DataService, parted: Any) -> None:
    assert data.resolve("x@2013-01-01T01:00:00Z").number == 1
    assert data.resolve("x@2013-01-01T02:59:00Z").number == 2
    assert data.resolve("x@2014-01-01").number == 3
    with pytest.raises(DataError, match="had no version at 2013-01-01T00:00:00Z"):
        data.resolve("x@2013-01-01")


def test_a_commits_id_and_the_beginning_of_it_mean_a_version(data: DataService, parted: Any) -> None:
    for version in data.log("x"):
        digits = version.id.removeprefix("b3:")
        assert data.resolve(f"x@{version.id}").number == version.number
        assert data.resolve(f"x@b3:{digits[:8]}").number == data.resolve(f"x@{digits[:40]}").number == version.number


def test_the_same_content_twice_has_two_ids(data: DataService) -> None:
    first, _, third = commit(data, 1), commit(data, 2), commit(data, 1)
    assert first.digest == third.digest
    assert first.id != third.id
    assert data.resolve(f"x@{first.digest}") == third


def test_an_unknown_branch_suggests_the_nearest(data: DataService, parted: Any) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dev'"):
        commit(data, 9, branch="devv")
    with pytest.raises(UnknownNameError, match="did you mean 'dev'"):
        data.resolve("x@devv")


def test_the_first_version_goes_to_main(data: DataService) -> None:
    with pytest.raises(UnknownNameError, match="unknown dataset 'x'"):
        commit(data, 1, branch="dev")


@pytest.mark.parametrize("verb", ["branch", "tag"])
@pytest.mark.parametrize("taken", ["dev", "v1", "main"])
def test_a_name_is_given_once(data: DataService, parted: Any, verb: str, taken: str) -> None:
    data.tag("x", "v1")
    with pytest.raises(UsageError, match="already\\nCause: it points at x@"):
        getattr(data, verb)("x", taken)


def test_a_branch_of_another_datasets_version_is_refused(data: DataService) -> None:
    commit(data, 1)
    data.commit("y", rows(1))
    with pytest.raises(UsageError, match="of another dataset"):
        data.branch("x", "dev", "y@1")


def test_a_deleted_branch_leaves_its_versions(data: DataService, parted: Any) -> None:
    assert data.branch("x", "dev", delete=True)[0].version == "x@4"
    assert [ref.name for ref in data.branch("x")] == ["main"]
    assert data.resolve("x@4").branch == "dev"


def test_main_cannot_be_deleted(data: DataService, parted: Any) -> None:
    with pytest.raises(UsageError, match="main of 'x' cannot be deleted"):
        data.branch("x", "main", delete=True)


@pytest.mark.parametrize("verb", ["branch", "tag"])
def test_what_is_not_there_cannot_be_deleted(data: DataService, parted: Any, verb: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown {verb} 'old'"):
        getattr(data, verb)("x", "old", delete=True)


def test_tags_are_listed_and_let_go(data: DataService, parted: Any) -> None:
    data.tag("x", "b", "x@1")
    data.tag("x", "a")
    assert [(ref.name, ref.number) for ref in data.tag("x")] == [("a", 3), ("b", 1)]
    data.tag("x", "a", delete=True)
    assert [ref.name for ref in data.tag("x")] == ["b"]


def test_a_branch_without_changes_of_its_own_moves_forward(data: DataService) -> None:
    commit(data, 1)
    data.branch("x", "dev")
    commit(data, 2, branch="dev")
    commit(data, 3, branch="dev")
    merged = data.merge("x", "dev")
    assert (merged.result, merged.version.number, data.head("x").number) == ("fast-forward", 3, 3)
    assert [each.number for each in data.versions("x")] == [3, 2, 1]


def test_what_is_there_already_is_not_merged_again(data: DataService, parted: Any) -> None:
    merged = data.merge("x", "x@1")
    assert (merged.result, merged.version.number) == ("up to date", 3)


def test_a_version_of_another_dataset_is_not_merged(data: DataService, parted: Any) -> None:
    data.commit("y", rows(1))
    with pytest.raises(UsageError, match="of another dataset"):
        data.merge("x", "y@1")


def test_the_summary_has_branches_and_tags(data: DataService, parted: Any) -> None:
    data.tag("x", "v1", "x@1")
    (found,) = data.list()
    assert (found.head.number, found.branches, found.tags) == (3, {"dev": 4, "main": 3}, {"v1": 1})


def test_readers_of_an_instant_see_mains_line_only(data: DataService, clock: VirtualClock) -> None:
    def times(*hours: int) -> pl.DataFrame:
        return pl.DataFrame({"at": [f"2013-01-01T{hour:02}:00:00Z" for hour in hours]})

    data.commit("t", times(1), event_time="at")
    data.branch("t", "dev")
    data.commit("t", times(1, 2), branch="dev")
    data.commit("t", times(1, 4))
    known = data.known_at("t", datetime(2013, 1, 1, 3, tzinfo=UTC))
    assert known is not None
    assert known.number == 1


def test_every_change_of_a_name_is_an_event_with_its_reason(data: DataService, catalog: Catalog) -> None:
    with acting(actor="ann", reason="a trial"):
        commit(data, 1)
        data.branch("x", "dev")
        commit(data, 2, branch="dev")
        data.merge("x", "dev")
        data.tag("x", "v1")
        data.tag("x", "v1", delete=True)
        data.branch("x", "dev", delete=True)
    with catalog.read() as tx:
        told = [(each.verb, each.subject, each.actor, each.reason) for each in ledger.events(tx)]
        assert ledger.verify(tx).count == len(told)
    assert [each[:2] for each in told] == [
        ("data.commit", "dataset:x@1"),
        ("data.branch", "dataset:x"),
        ("data.commit", "dataset:x@2"),
        ("data.merge", "dataset:x@2"),
        ("data.tag", "dataset:x@2"),
        ("data.tag", "dataset:x@2"),
        ("data.branch", "dataset:x"),
    ]
    assert {each[2:] for each in told} == {("ann", "a trial")}


def test_a_former_version_is_committed_again(data: DataService) -> None:
    first, _ = commit(data, 1), commit(data, 2)
    again = data.commit("x", first, "back")
    assert (again.number, again.digest, again.message) == (3, first.digest, "back")
    assert data.commit("y", first).digest == first.digest
