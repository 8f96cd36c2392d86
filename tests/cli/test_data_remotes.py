"""`mulle data push`, `pull`, `clone`, `list --remote` and `read --remote`, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.said import Mulle


@pytest.fixture
def ann(tmp_path: Path, mulle: Mulle) -> Path:
    """A project with a dataset and a remote."""
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "mulle.toml").write_text('[remotes]\norigin = "../remote"\n')
    (folder / "sales.csv").write_text("id,amount\n1,2\n2,3\n")
    mulle("-C", folder, "data", "commit", "sales", folder / "sales.csv", "--key", "id", "-m", "January")
    return folder


@pytest.fixture
def pushed(ann: Path, mulle: Mulle) -> Path:
    assert mulle("-C", ann, "data", "push", "sales").code == 0
    return ann.parent / "remote"


def test_a_push_tells_what_travelled(ann: Path, mulle: Mulle) -> None:
    said = mulle("-C", ann, "data", "push", "sales", "origin", "--json")
    assert (said.code, said.json["versions"], said.json["branches"]) == (0, ["sales@1"], ["main"])


def test_a_push_of_nothing_says_so(ann: Path, pushed: Path, mulle: Mulle) -> None:
    assert mulle("-C", ann, "data", "push", "sales").out == f"{pushed} has all of sales\n"


def test_a_clone_makes_the_workspace_and_the_file(pushed: Path, mulle: Mulle) -> None:
    folder = pushed.parent / "ben"
    folder.mkdir()
    said = mulle("-C", folder, "data", "clone", pushed, "sales", folder / "out.csv")
    assert (said.code, (folder / "out.csv").read_text()) == (0, "id,amount\n1,2\n2,3\n")
    assert mulle("-C", folder, "data", "log", "sales", "--json").json[0]["message"] == "January"


def test_a_diverged_branch_is_told_with_the_command_that_merges_it(ann: Path, pushed: Path, mulle: Mulle) -> None:
    folder = pushed.parent / "ben"
    folder.mkdir()
    mulle("-C", folder, "data", "clone", pushed, "sales")
    (folder / "more.csv").write_text("id,amount\n7,7\n")
    (ann / "more.csv").write_text("id,amount\n8,8\n")
    mulle("-C", folder, "data", "commit", "sales", folder / "more.csv", "--append")
    mulle("-C", ann, "data", "commit", "sales", ann / "more.csv", "--append")
    mulle("-C", folder, "data", "push", "sales", pushed)
    refused = mulle("-C", ann, "data", "push", "sales")
    assert (refused.code, "mulle data merge sales origin/main" in refused.err) == (1, True)
    told = mulle("-C", ann, "data", "pull", "sales")
    assert "mulle data merge sales origin/main --into main" in told.out
    merged = mulle("-C", ann, "data", "merge", "sales", "origin/main", "--into", "main")
    assert (merged.code, mulle("-C", ann, "data", "push", "sales").code) == (0, 0)


def test_a_remote_is_listed(ann: Path, pushed: Path, mulle: Mulle) -> None:
    [found] = mulle("-C", ann, "data", "list", "--remote", "origin", "--json").json
    [told] = mulle("-C", ann, "data", "list", "sales", "--remote", pushed, "--json").json
    assert (found["name"], found["versions"], told["branches"]["main"]["message"]) == ("sales", 1, "January")
    assert "sales" in mulle("-C", ann, "data", "list", "--remote", "origin").out


def test_rows_are_read_from_a_remote(ann: Path, pushed: Path, mulle: Mulle) -> None:
    page = mulle("-C", ann, "data", "read", "sales", "--remote", "origin", "--columns", "amount", "--json").json
    assert page["rows"] == [[2], [3]]


def test_rows_of_some_columns_are_read_here(ann: Path, mulle: Mulle) -> None:
    assert mulle("-C", ann, "data", "read", "sales", "--columns", "amount", "--json").json["rows"] == [[2], [3]]
    assert mulle("-C", ann, "data", "read", "sales", "--columns", "colour").code == 1


def test_a_name_without_a_remote_is_a_wrong_call(ann: Path, mulle: Mulle) -> None:
    assert mulle("-C", ann, "data", "list", "sales").code == 2


@pytest.mark.parametrize("words", [("push", "sales", "nowhere"), ("pull", "sales", "ftp://x/y"), ("push", "sale")])
def test_what_is_not_there_is_a_wrong_call_with_a_cure(ann: Path, mulle: Mulle, words: tuple[str, ...]) -> None:
    said = mulle("-C", ann, "data", *words)
    assert (said.code, "Cure:" in said.err) == (2, True)
