"""`mulle data` as people type it, in a folder that is no project."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.said import Mulle

from mulle.cli.data import PLACES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two tables and a folder of photos."""
    monkeypatch.chdir(tmp_path)
    Path("january.csv").write_text("id,amount\n1,10\n2,20\n")
    Path("february.csv").write_text("id,amount\n3,30\n")
    Path("cleaned.csv").write_text("id,amount\n1,10\n2,25\n")
    Path("photos/2013").mkdir(parents=True)
    Path("photos/a.txt").write_text("a")
    Path("photos/2013/b.txt").write_text("b")
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What standard input holds."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


def test_the_first_commit_makes_the_workspace_and_says_so(mulle: Mulle, folder: Path) -> None:
    said = mulle("data", "commit", "sales", "january.csv", "-m", "January", "--key", "id")
    assert f"made a workspace in {folder}" in said.err
    assert said.out.startswith("sales@1: 2 rows, ")
    again = mulle("data", "commit", "sales", "february.csv", "--append", "--json")
    assert (again.json["number"], again.json["rows"], again.err) == (2, 3, "")


def test_in_a_git_repository_the_workspace_is_at_its_root(mulle: Mulle, folder: Path) -> None:
    (folder / ".git").mkdir()
    mulle("-C", "photos", "data", "commit", "sales", "january.csv")
    assert (folder / "mulle.toml").exists()
    assert (folder / ".mulle" / ".gitignore").read_text() == "*\n"


def test_commands_that_only_look_make_no_workspace(mulle: Mulle, folder: Path) -> None:
    said = mulle("data", "list", "--json")
    assert (said.code, said.json["cure"]) == (2, "mulle init NAME")
    assert not (folder / "mulle.toml").exists()


def test_a_folder_and_a_single_file_are_kept_as_files(mulle: Mulle, folder: Path) -> None:
    assert mulle("data", "commit", "photos", "photos", "--json").json["kind"] == "files"
    assert mulle("data", "commit", "notes", "photos/a.txt", "--json").json["kind"] == "files"
    assert mulle("data", "commit", "raw", "january.csv", "--files", "--json").json["kind"] == "files"
    assert mulle("data", "commit", "raw", "february.csv", "--json").json["kind"] == "files"


@pytest.mark.parametrize(
    ("form", "text"),
    [("csv", "id,amount\n1,10\n"), ("tsv", "id\tamount\n1\t10\n"), ("jsonl", '{"id":1,"amount":10}\n')],
)
def test_standard_input_is_committed(
    mulle: Mulle, folder: Path, monkeypatch: pytest.MonkeyPatch, form: str, text: str
) -> None:
    typed(monkeypatch, text)
    assert mulle("data", "commit", "sales", "-", "--format", form, "--json").json["rows"] == 1
    assert mulle("data", "read", "sales", "--json").json["rows"] == [[1, 10]]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["-"], "say it with --format"),
        (["january.csv", "--format", "csv"], "the ending of PATH says"),
        ([], "give PATH, or --from"),
        (["january.csv", "--from", "sales@1"], "give PATH, or --from"),
    ],
)
def test_a_commit_that_is_not_clear_is_a_wrong_call(mulle: Mulle, folder: Path, words: list[str], cause: str) -> None:
    said = mulle("data", "commit", "sales", *words, "--json")
    assert said.code == 2
    assert cause in said.json["cause"]


def test_a_former_version_is_committed_again(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv")
    mulle("data", "commit", "sales", "cleaned.csv")
    again = mulle("data", "commit", "sales", "--from", "sales@1", "--json").json
    assert (again["number"], again["rows"]) == (3, 2)


def test_branches_and_tags_are_made_listed_and_let_go(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv")
    assert mulle("data", "branch", "sales", "cleaning").out == "branch cleaning → sales@1\n"
    said = mulle("data", "commit", "sales", "cleaned.csv", "--branch", "cleaning")
    assert said.out.startswith("sales@2 on cleaning: 2 rows")
    mulle("data", "tag", "sales", "v1.0", "--at", "cleaning")
    assert [(each["name"], each["version"]) for each in mulle("data", "tag", "sales", "--json").json] == [
        ("v1.0", "sales@2")
    ]
    assert mulle("data", "tag", "sales", "v1.0", "--delete").out == "tag v1.0 deleted; it was at sales@2\n"
    assert mulle("data", "tag", "sales").out == "none yet\n"
    assert "cleaning  sales@2" in mulle("data", "branch", "sales", "--list").out


@pytest.mark.parametrize("verb", ["branch", "tag"])
def test_delete_and_at_need_a_name(mulle: Mulle, folder: Path, verb: str) -> None:
    assert "--delete needs a name" in mulle("data", verb, "sales", "--delete").err
    assert mulle("data", verb, "sales", "--at", "HEAD").code == 2


def test_a_merge_and_the_history_that_it_leaves(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv", "--key", "id")
    mulle("data", "branch", "sales", "cleaning")
    mulle("data", "commit", "sales", "cleaned.csv", "--branch", "cleaning")
    assert mulle("data", "log", "sales").out.count("\n") == 3
    assert mulle("data", "merge", "sales", "cleaning").out == "main moved forward to: sales@2, 2 rows\n"
    assert mulle("data", "merge", "sales", "cleaning").out == "main has it already: sales@2, 2 rows\n"
    log = mulle("data", "log", "sales@main", "--json").json
    assert [(each["number"], each["branches"]) for each in log] == [(2, ["main", "cleaning"]), (1, [])]


def test_a_history_that_parted_is_drawn(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv")
    mulle("data", "branch", "sales", "dev")
    mulle("data", "commit", "sales", "cleaned.csv", "--branch", "dev")
    mulle("data", "commit", "sales", "february.csv")
    drawn = [line[:4].rstrip() for line in mulle("data", "log", "sales").out.splitlines()[1:]]
    assert drawn == ["*", "│ *", "├─╯", "*"]


def test_rm_says_who_needs_a_version_and_takes_a_reason(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv")
    mulle("data", "commit", "sales", "cleaned.csv")
    refused = mulle("data", "rm", "sales@2", "--json")
    assert (refused.code, refused.json["cause"]) == (1, "by branch main")
    assert mulle("data", "rm", "sales@1", "--reason", "wrong file").out == "removed sales: 1 version\n"
    assert "wrong file" in mulle("data", "show", "sales@1").err


def test_verify_fails_and_names_what_is_damaged(mulle: Mulle, folder: Path) -> None:
    Path("photos/2013/b.txt").write_text("a photo of a bee")
    mulle("data", "commit", "photos", "photos")
    assert mulle("data", "verify").code == 0
    (pack,) = (folder / ".mulle" / "packs").glob("*.pack")
    pack.write_bytes(pack.read_bytes().replace(b"a photo of a bee", b"a photo of a bat"))
    said = mulle("data", "verify", "--json")
    assert said.code == 1
    assert [(each["ref"], each["path"]) for each in said.json["damaged"]] == [("photos@1", "2013/b.txt")]


def test_the_help_says_of_each_command_what_its_own_help_says(mulle: Mulle) -> None:
    said = mulle("data", "--help").out
    for name, place in PLACES.items():
        assert name in said
        assert place.load().name == name


def test_a_conflict_is_told_by_key_and_fails(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv", "--key", "id")
    mulle("data", "branch", "sales", "cleaning")
    mulle("data", "commit", "sales", "cleaned.csv", "--branch", "cleaning")
    Path("mine.csv").write_text("id,amount\n1,10\n2,30\n")
    mulle("data", "commit", "sales", "mine.csv")
    said = mulle("data", "merge", "sales", "cleaning", "--json")
    assert (said.code, said.json["cause"]) == (1, "id=2: amount 30 here, 25 there")
    assert said.json["conflicts"] == [
        {"key": {"id": 2}, "cells": {"amount": [20, 30, 25]}, "ours": "changed", "theirs": "changed"}
    ]


def test_rows_are_chosen_by_a_condition_and_written_to_a_file(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "cleaned.csv", "--key", "id")
    page = mulle("data", "read", "sales", "--where", "amount > 15 AND id < 9", "--columns", "amount", "--json").json
    assert (page["rows"], page["total"]) == ([[25]], 1)
    written = mulle("data", "read", "sales", "--where", "id = 1", "--out", "one.csv", "--json").json
    assert (written["rows"], Path("one.csv").read_text()) == (1, "id,amount\n1,10\n")
    assert mulle("data", "read", "sales", "--where", "amount >").code == 2
    assert mulle("data", "read", "sales", "--where", "colour = 1").code == 1
    assert mulle("data", "read", "sales", "--where", "id = 1", "--remote", "origin").code == 2


def test_a_diff_is_told_by_cell(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "sales", "january.csv", "--key", "id")
    mulle("data", "commit", "sales", "cleaned.csv")
    assert "~ id=2: amount 20 → 25" in mulle("data", "diff", "sales@1", "sales@2").out
    found = mulle("data", "diff", "sales@1", "sales@2", "--json").json
    assert found["rows"]["examples"]["changed"] == [{"key": {"id": 2}, "cells": {"amount": [20, 25]}}]
    assert (found["rows"]["changed"], found["files"]["changed"]) == (1, 0)
