"""Pipelines in the languages of other engines: what they say, and, where the engine is there, that it runs them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mulle.errors import MulleError, UsageError
from mulle.pipelines.exporting import Exported, Target
from mulle.workspace import Workspace

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv" / "peers"
MULLE = str(Path(sys.executable).with_name("mulle"))
PROJECT = '''
import mulle

things = mulle.dataset("things")


@mulle.step(retries=2, timeout="5m")
def first(n: int, name: str) -> str:
    return name * n


@mulle.step(cpus=2, memory="1GiB")
def each(rows: mulle.Table, name: str) -> int:
    return len(rows) * len(name)


@mulle.step
def total(counts: list[int]) -> int:
    return sum(counts)


@mulle.pipeline
def counting(n: int = 1, name: str = "it's"):
    """Counts things."""
    return total(each.map(mulle.partitions(things, by="kind"), first(n, name)))


@mulle.step
def scaled(x: int, by: int) -> int:
    return x * by


@mulle.pipeline
def listed(by: int = 2):
    return total(scaled.map([1, 2], by))


@mulle.step
def large(n: int) -> bool:
    return n > 5


@mulle.step
def numbers(n: int) -> list[int]:
    return list(range(n))


@mulle.step
def add(a: int, b: int) -> int:
    return a + b


@mulle.pipeline
def branching(n: int = 2):
    chosen = mulle.when(large(n), lambda: scaled(n, 10), lambda: scaled(n, 2))
    return add.reduce(scaled.map(numbers(chosen), 3))


@mulle.pipeline
def odd(what: object = None):
    return scaled(1, 2)
'''


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "mulle.toml").write_text('[project]\nname = "things"\n[run]\nexecutor = "in-process"\n')
    with Workspace.open(tmp_path) as opened:
        opened.data.commit("things", pl.DataFrame({"kind": ["a", "b", "a"], "value": [1, 2, 3]}))
        yield opened


def exported(ws: Workspace, to: str, pipeline: str = "counting") -> Exported:
    return ws.exports.pipeline(pipeline, to, target=Target(command=MULLE, image="python:3.11"))


def digests(ws: Workspace, run: str) -> dict[str, Any]:
    return {step.name: step.outputs for step in ws.runs.steps(run)}


def same_as_a_run(ws: Workspace, pipeline: str, **params: Any) -> None:
    """The newest run has the outputs of `mulle run`, which finds every step in the memo: all keys are the same."""
    (made,) = ws.runs.list(1)
    assert (made.status, made.pipeline) == ("succeeded", pipeline)
    alone = ws.run(pipeline, params)
    assert (alone.steps_executed, digests(ws, alone.id)) == (0, digests(ws, made.id))


def test_the_engines_are_found() -> None:
    from mulle.pipelines import exporting

    assert exporting.targets() == ["airflow", "argo", "kfp"]


def test_an_engine_that_is_not_there_is_told(ws: Workspace) -> None:
    with pytest.raises(UsageError, match="airflo"):
        ws.exports.pipeline("counting", "airflo")


def test_a_parameter_that_no_engine_can_take_is_told(ws: Workspace) -> None:
    with pytest.raises(MulleError, match="what"):
        ws.exports.pipeline("odd", "argo")


# -- Argo ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", ["counting", "listed", "branching"])
def test_argo_takes_every_word(ws: Workspace, pipeline: str) -> None:
    """The models are made from the OpenAPI document of Argo Workflows 4.0.5: what they do not know, they drop."""
    from hera.workflows import models

    document = yaml.safe_load(exported(ws, "argo", pipeline).text)
    known = models.Workflow.model_validate(document)
    assert known.model_dump(mode="json", by_alias=True, exclude_unset=True) == document


def test_argo_is_told_what_steps_ask_for(ws: Workspace) -> None:
    document = yaml.safe_load(exported(ws, "argo").text)
    templates = {each["name"]: each for each in document["spec"]["templates"]}
    assert templates["first"]["retryStrategy"]["limit"] == "2"
    assert templates["first"]["activeDeadlineSeconds"] == 300
    assert templates["each"]["container"]["resources"]["limits"] == {"cpu": "2", "memory": str(1 << 30)}
    tasks = {each["name"]: each for each in templates["pipeline"]["dag"]["tasks"]}
    assert tasks["each"]["withParam"] == "{{tasks.each-items.outputs.result}}"
    assert tasks["total"]["dependencies"] == ["each"]


@pytest.mark.parametrize("pipeline", ["counting", "branching"])
def test_what_argo_calls_can_be_called(ws: Workspace, pipeline: str) -> None:
    """Play the workflow by hand: every container's command, in the last order that its dependencies allow."""
    document = yaml.safe_load(exported(ws, "argo", pipeline).text)
    templates = {each["name"]: each for each in document["spec"]["templates"]}
    values = {
        f"workflow.parameters.{each['name']}": each["value"] for each in document["spec"]["arguments"]["parameters"]
    }
    results: dict[str, str] = {}
    for task in _latest(templates["pipeline"]["dag"]["tasks"]):
        container = templates[task["template"]]["container"]
        items = json.loads(results[task["withParam"][2:-2].split(".")[1]]) if "withParam" in task else [""]
        for item in items:
            given = values | {"workflow.uid": "u-1", "inputs.parameters.item": item}
            words = [*container["command"], *(_filled(word, given) for word in container["args"])]
            results[task["name"]] = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    same_as_a_run(ws, pipeline)


def _latest(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    done: set[str] = set()
    while left := [task for task in tasks if task["name"] not in done]:
        ready = [task for task in left if done >= set(task.get("dependencies", []))]
        yield ready[-1]
        done.add(ready[-1]["name"])


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{{" + name + "}}", value)
    return word


# -- Airflow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", ["counting", "listed", "branching"])
def test_airflow_is_given_python(ws: Workspace, pipeline: str) -> None:
    found = ast.parse(exported(ws, "airflow", pipeline).text)
    assert ast.get_docstring(found) is not None


@pytest.mark.slow
@pytest.mark.skipif(not (PEERS / "airflow").exists(), reason="no Airflow: sh scripts/install_airflow.sh")
def test_airflow_runs_it(ws: Workspace, tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "counting.py").write_text(exported(ws, "airflow").text)
    bin_ = PEERS / "airflow" / "bin"
    env = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    env |= {"AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"), "PATH": f"{bin_}:{os.environ['PATH']}"}
    env |= {"AIRFLOW__CORE__UNIT_TEST_MODE": "False", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False"}
    subprocess.run([bin_ / "airflow", "db", "migrate"], env=env, check=True, capture_output=True)
    asked = json.dumps({"n": 3, "name": "a 'b' & \"c\" $d"})
    done = subprocess.run(
        [bin_ / "airflow", "dags", "test", "counting", "--conf", asked],
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    same_as_a_run(ws, "counting", **json.loads(asked))


def test_airflow_shows_a_step_of_the_other_branch_as_skipped(ws: Workspace) -> None:
    text = exported(ws, "airflow", "branching").text
    assert text.count("skip_on_exit_code=99") == text.count("--skipped-as 99") > 0
    assert ws.step("branching", "large", "k").status == "succeeded"
    words = [MULLE, "-C", str(ws.settings.root), "step", "branching", "scaled", "--run-key", "k", "--skipped-as", "99"]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 99


# -- Kubeflow Pipelines ----------------------------------------------------------------------------------------------

RUN_KFP = """
import json, sys
from kfp import components, local

local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])
components.load_component_from_file(sys.argv[1])(**json.loads(sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not (PEERS / "kfp").exists(), reason="no kfp: sh scripts/install_kfp.sh")
def test_kubeflows_local_runner_runs_it(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "counting.yaml").write_text(exported(ws, "kfp").text)
    bin_ = PEERS / "kfp" / "bin"
    asked = json.dumps({"n": 3, "name": "a 'b' & \"c\" $d"})
    words = [str(bin_ / "python"), "-c", RUN_KFP, str(tmp_path / "counting.yaml"), str(tmp_path / "kfp"), asked]
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    done = subprocess.run(words, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    same_as_a_run(ws, "counting", **json.loads(asked))


def test_kubeflow_is_told_what_steps_ask_for(ws: Workspace) -> None:
    document = yaml.safe_load(exported(ws, "kfp").text)
    executors = document["deploymentSpec"]["executors"]
    assert executors["exec-each"]["container"]["resources"]["cpuLimit"] == 2.0
    assert document["root"]["dag"]["tasks"]["first"]["retryPolicy"]["maxRetryCount"] == 2
    assert document["root"]["dag"]["tasks"]["total"]["dependentTasks"] == ["each"]
