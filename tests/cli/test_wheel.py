"""The wheel from the prompt: a project of one's own data goes round, and programs can read every answer."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.cli.said import Mulle

from mulle.cli.main import call
from mulle.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, trained, deployed and asked once."""
    os.environ["MULLE_EXECUTOR"] = "in-process"
    path = tmp_path_factory.mktemp("wheel") / "bikes"
    for words in (["init", str(path)], ["-C", str(path), "run"], ["-C", str(path), "deploy"]):
        assert call(words) == 0
    assert call(["-C", str(path), "predict", "--rows", str(path / "example.json")]) == 0
    del os.environ["MULLE_EXECUTOR"]
    return path


@pytest.fixture
def answer(mulle: Mulle, project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`answer("runs", "list")` gives what the command answers as JSON, and its exit code."""
    monkeypatch.setenv("MULLE_EXECUTOR", "in-process")

    def ask(*words: str) -> tuple[int, Any]:
        said = mulle("-C", project, *words, "--json")
        return said.code, said.json

    return ask


def test_a_second_run_executes_nothing(answer: Any) -> None:
    code, found = answer("run")
    assert (code, found["status"], found["steps_executed"], found["steps_cached"]) == (0, "succeeded", 0, 5)
    assert {"name", "status", "seconds"} <= set(found["steps"][0])


def test_a_parameter_runs_what_depends_on_it(answer: Any) -> None:
    _, found = answer("run", "--param", "learning_rate=0.3")
    executed = [step["name"] for step in found["steps"] if step["status"] == "executed"]
    assert executed[:2] == ["train", "evaluate"]


def test_predictions_have_their_stable_form(answer: Any) -> None:
    _, found = answer("predictions", "list", "--deployment", "bikes", "--limit", "1")
    assert set(found[0]) == {"id", "at", "revision", "output"}


def test_why_goes_down_to_the_rows(answer: Any) -> None:
    _, (prediction,) = answer("predictions", "list", "--deployment", "bikes", "--limit", "1")
    _, graph = answer("why", f"prediction:{prediction['id']}")
    kinds = {node["kind"] for node in graph["nodes"]}
    assert {"prediction", "revision", "model_version", "run", "step_run", "dataset_version", "object"} <= kinds
    assert set(graph["edges"][0]) == {"from", "to", "role"}


def test_impact_goes_up_to_the_endpoint(answer: Any) -> None:
    _, graph = answer("impact", "dataset:bicycles@HEAD")
    assert "deployment:bikes" in {node["name"] for node in graph["nodes"]}


QUESTIONS = """
data list, data log bicycles, data show bicycles, data read bicycles, data check bicycles, data profile bicycles
data verify
data diff bicycles@1 bicycles@2, features list, features show recent, features check recent, features materialize recent
features online recent --entity station=park, runs list, models list, models versions bikes, models show bikes@champion
models compare bikes@1 bikes@1, deployments list, deployments show bikes, deployments history bikes
predictions labels --deployment bikes, monitor list, monitor status bikes, monitor alerts, trigger list, trigger history
rollouts list, rollouts verdicts, backtest list, audit log, audit verify
"""


@pytest.mark.parametrize("words", [words.strip() for words in QUESTIONS.replace("\n", ",").split(",") if words.strip()])
def test_every_question_is_answered_for_people_and_programs(mulle: Mulle, project: Path, words: str) -> None:
    people, programs = mulle("-C", project, *words.split()), mulle("-C", project, *words.split(), "--json")
    assert (people.code, people.err.count("Error"), programs.code) == (0, 0, 0), people.err + programs.out
    assert people.out.strip()
    json.loads(programs.out)


def test_a_run_is_shown_with_its_steps_and_logs(answer: Any, mulle: Mulle, project: Path) -> None:
    _, found = answer("runs", "list", "--limit", "1")
    _, steps = answer("runs", "steps", found[0]["id"])
    assert mulle("-C", project, "runs", "show", found[0]["id"]).code == 0
    assert mulle("-C", project, "runs", "logs", steps[0]["id"]).code == 0


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("run bike", "did you mean 'bikes'?"),
        ("deploy biks", "did you mean 'bikes'?"),
        ("predictions list --deployment biks", "did you mean 'bikes'?"),
        ("models show bikes@9", None),
        ("data show bicycle", "did you mean 'bicycles'?"),
        ("why model", None),
        ("impact dataset:bicycles@999", None),
        ("run --param learning_rate", "NAME=VALUE is needed"),
        ("run --param rate=1", None),
        ("predict --row weekday=1 --row rain=2", None),
        ("predict --rows nowhere.json", None),
        ("trigger fire bike", "did you mean 'bikes'?"),
        ("backtest --policy never --start 2031-01-01", None),
        ("monitor status biks", None),
    ],
)
def test_a_wrong_word_is_told_with_its_cure(answer: Any, words: str, cause: str | None) -> None:
    code, found = answer(*words.split())
    assert code in (1, 2)
    assert found["error"]
    assert found["cure"]
    assert "fault in mulle" not in found["cause"]
    assert cause is None or found["cause"] == cause


def test_an_empty_batch_is_refused(answer: Any, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    code, found = answer("predict", "--rows", str(tmp_path / "none.json"))
    assert (code, "has no rows" in found["error"]) == (2, True)


def test_an_import_error_shows_the_users_line(mulle: Mulle, tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "broken"\n')
    (tmp_path / "project.py").write_text("import mulle\n\nrate = 1 / 0\n")
    said = mulle("-C", tmp_path, "run", "--json")
    assert said.code == 2
    assert "project.py:3: rate = 1 / 0" in said.json["cause"]


def test_a_workspace_from_a_newer_version_is_left_alone(mulle: Mulle, tmp_path: Path) -> None:
    assert mulle("init", tmp_path / "p").code == 0
    (tmp_path / "p" / ".mulle" / "format").write_text("mulle-workspace 99\n")
    said = mulle("-C", tmp_path / "p", "runs", "list", "--json")
    assert said.code in (1, 2)
    assert "newer" in said.json["error"] + said.json["cause"]


def test_feedback_is_a_label(answer: Any) -> None:
    _, (prediction,) = answer("predictions", "list", "--deployment", "bikes", "--limit", "1")
    assert answer("predictions", "feedback", prediction["id"], "41")[0] == 0
    _, labelled = answer("predictions", "show", prediction["id"])
    assert labelled["label"] == 41


def test_a_backtest_compares_policies(answer: Any, mulle: Mulle, project: Path) -> None:
    code, found = answer("backtest", "--policy", "never", "--start", "2025-12-01")
    assert (code, list(found["policies"])) == (0, ["never"])
    assert found["policies"]["never"]["retrainings"] == 0
    assert "(oracle)" in mulle("-C", project, "backtest", "show", found["id"]).out


def test_a_server_answers_like_the_workspace(answer: Any, project: Path) -> None:
    with Workspace.open(project) as ws, ws.serve("bikes", port=0) as server:
        code, found = answer("predict", "--rows", str(project / "example.json"), "--url", server.url)
    assert (code, set(found[0]) >= {"id", "revision", "output"}) == (0, True)


def test_a_server_that_is_not_there(answer: Any, project: Path) -> None:
    code, found = answer("predict", "--rows", str(project / "example.json"), "--url", "http://127.0.0.1:9")
    assert (code, found["cure"]) == (1, "start it: mulle serve bikes")


@pytest.mark.parametrize("command", ["serve", "server"])
def test_a_port_in_use_is_told(answer: Any, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, found = answer(command, "--port", str(taken.getsockname()[1]))
    assert code in (1, 2)
    assert "in use" in found["error"] + found["cause"]


def test_a_version_is_checked_out(answer: Any, tmp_path: Path) -> None:
    _, found = answer("data", "checkout", "bicycles@1", str(tmp_path / "first.csv"))
    assert Path(found["path"]).read_text().startswith("day,station")


def test_a_file_is_committed_as_it_is_declared(answer: Any, project: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("day,station\n2026-01-06T00:00:00Z,park\n")
    code, found = answer("data", "commit", "bicycles", str(tmp_path / "more.csv"), "--append")
    assert code == 1
    assert "bicycles" in found["error"]
