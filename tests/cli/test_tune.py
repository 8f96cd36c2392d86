from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.said import Mulle
from tests.tuning.curves import PROJECT


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mulle.toml").write_text('[project]\nname = "p"\n\n[run]\nexecutor = "in-process"\n')
    (tmp_path / "project.py").write_text(PROJECT)
    yield tmp_path
    sys.modules.pop("project", None)


def test_a_search_is_made_shown_and_its_best_trial_run(mulle: Mulle, root: Path) -> None:
    made = mulle("-C", root, "tune", "main", "--metric", "auc", "--space", "depth=int(2,12)", "--trials", "6", "--json")
    assert made.code == 0, made.err
    assert made.json["study"]["best"]["number"] == made.json["trials"][0]["number"]
    listed = mulle("-C", root, "studies", "--json").json
    assert [(one["name"], one["status"]) for one in listed] == [("main", "idle")]
    shown = mulle("-C", root, "studies", "show", "main", "--json").json
    assert shown["trials"][0]["values"] == made.json["study"]["best"]["values"]
    run = mulle("-C", root, "run", "--from-study", "main", "--json")
    assert (run.code, run.json["steps_executed"]) == (0, 0)


def test_for_people_there_is_a_leaderboard_and_what_to_type_next(mulle: Mulle, root: Path) -> None:
    said = mulle("-C", root, "tune", "main", "--metric", "auc", "--space", "depth=int(2,12)", "--trials", "3")
    assert said.code == 0
    assert "mulle run --from-study main" in said.out
    assert "trial 0 complete" in said.err
    assert "depth=int(2,12)" in mulle("-C", root, "studies", "show", "main").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "main"], "what is to be searched"),
        (["tune", "main", "--space", "depth"], "is not part of a space"),
        (["tune", "main", "--space", "depth=int(5,2)"], "not below"),
        (["tune", "main", "--space", "detph=int(2,5)"], "did you mean 'depth'"),
        (["tune", "mian", "--space", "depth=int(2,5)"], "did you mean 'main'"),
        (["tune", "main", "--space", "depth=int(2,5)", "--timeout", "soon"], "is not a duration"),
        (["tune", "main", "-s", "depth=int(2,5)", "-m", "a", *["--direction", "minimize"] * 2], "directions"),
        (["tune", "main", "--space", "rate=log(0.1,1)", "--sampler", "grid"], "no steps"),
        (["studies", "show", "main"], "unknown study"),
        (["run", "--from-study", "main"], "unknown study"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_cure(mulle: Mulle, root: Path, arguments: list[str], said: str) -> None:
    answer = mulle("-C", root, *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert "Cure" in answer.err
    assert "Traceback" not in answer.err
