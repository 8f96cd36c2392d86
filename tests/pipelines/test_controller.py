"""Runs, from the first step to the last row in the catalog; in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.catalog.lineage import walk
from mulle.errors import PipelineError, StepFailedError
from mulle.pipelines import RunService

Make = Callable[..., Site]

ADD = """
import mulle

@mulle.step
def one() -> int:
    print("hello from one")
    mulle.log_metric("loss", 0.5)
    mulle.log_metric("loss", 0.25)
    mulle.log_param("depth", 3)
    return 1

@mulle.step
def add(a: int, b: int) -> int:
    return a + b

@mulle.pipeline
def main(b: int = 2):
    return add(one(), b)
"""


def service(site: Site) -> RunService:
    return RunService(catalog=site.catalog, workspace=site.workspace)


def test_the_result_tells_what_came_out(site: Make) -> None:
    made = site(project=ADD)
    result = made.run()
    assert (result.status, made.controller.value(result.outputs["result"])) == ("succeeded", 3)


def test_progress_is_told_step_by_step(site: Make) -> None:
    made = site(project=ADD)
    told: list[tuple[str, str, int]] = []
    made.controller.run(made.project.one_pipeline(), {}, on_progress=lambda p: told.append((p.step, p.status, p.done)))
    assert told == [("one", "running", 0), ("one", "executed", 1), ("add", "running", 1), ("add", "executed", 2)]


def test_metrics_of_a_step_belong_to_the_run_and_come_again_on_a_hit(site: Make) -> None:
    made = site(project=ADD)
    made.run()
    again = made.run()
    assert again.steps_executed == 0
    assert [point.value for point in service(made).metrics(again.id, "loss")] == [0.5, 0.25]
    assert service(made).show(again.id).metrics == {"loss": 0.25}


def test_logs_come_again_on_a_hit(site: Make) -> None:
    made = site(project=ADD)
    made.run()
    again = made.run()
    assert [line.text for line in service(made).logs(again.steps[0].step_run)] == ["hello from one"]


def test_the_graph_is_kept_with_the_run(site: Make) -> None:
    made = site(project=ADD)
    graph = service(made).graph(made.run().id)
    assert [(node.name, node.status) for node in graph.nodes] == [("one", "executed"), ("add", "executed")]
    assert [(edge.source, edge.target) for edge in graph.edges] == [("one", "add")]


def test_lineage_goes_from_the_run_to_its_steps(site: Make) -> None:
    made = site(project=ADD)
    first, again = made.run(), made.run()
    with made.catalog.read() as tx:
        edges = {(edge.source, edge.role, edge.target) for edge in walk(tx, f"run:{again.id}", "up").edges}
    one, add = (step.step_run for step in again.steps)
    assert (f"run:{again.id}", "reused", f"step_run:{add}") in edges
    assert (f"step_run:{add}", "input", f"step_run:{one}") in edges
    assert (f"step_run:{add}", "reuses", f"step_run:{first.steps[1].step_run}") in edges


FAILS = """
import mulle

@mulle.step
def good() -> int:
    return 1

@mulle.step
def bad(a: int) -> int:
    return a // 0

@mulle.step
def after(a: int) -> int:
    return a

@mulle.pipeline
def main():
    return after(bad(good()))
"""


def test_a_failure_tells_the_users_line_first(site: Make) -> None:
    result = site(project=FAILS).run()
    with pytest.raises(StepFailedError, match="the step 'bad' failed: ZeroDivisionError") as caught:
        result.check()
    assert str(caught.value.cause).endswith("in bad: return a // 0")


def test_a_step_that_fills_the_disk_is_told_with_its_cure(site: Make) -> None:
    full = FAILS.replace("return a // 0", "raise OSError(28, 'No space left on device')")
    with pytest.raises(StepFailedError, match="No space left") as caught:
        site(project=full).run().check()
    assert "free space" in str(caught.value.cure)


def test_after_a_failure_only_the_rest_runs(site: Make) -> None:
    made = site(project=FAILS)
    assert [(step.name, step.status) for step in made.run().steps] == [
        ("good", "executed"), ("bad", "failed"), ("after", "pending")
    ]  # fmt: skip
    mended = site(project=FAILS.replace("a // 0", "a // 1")).run()
    assert [step.status for step in mended.steps] == ["cached", "executed", "executed"]


RETRIES = """
from pathlib import Path
import mulle

@mulle.step(retries=2)
def flaky(folder: str) -> int:
    marker = Path(folder) / "tries"
    tries = int(marker.read_text()) + 1 if marker.exists() else 1
    marker.write_text(str(tries))
    mulle.log_metric("try", tries)
    if tries < 3:
        raise OSError("not yet")
    return tries

@mulle.pipeline
def main(folder: str):
    return flaky(folder)
"""


def test_a_step_is_tried_again_as_often_as_it_asks_for(site: Make) -> None:
    made = site(project=RETRIES)
    result = made.run(folder=str(made.root))
    assert made.controller.value(result.outputs["result"]) == 3
    assert [point.value for point in service(made).metrics(result.id, "try")] == [3.0]
    assert service(made).steps(result.id)[0].attempts == 3


def test_a_step_that_is_not_cached_runs_every_time(site: Make) -> None:
    made = site(project=ADD.replace("@mulle.step\ndef one", "@mulle.step(cache=False)\ndef one"))
    made.run()
    assert [step.status for step in made.run().steps] == ["executed", "cached"]


PICKLED = """
import mulle

class Scaler:
    def apply(self, x):
        return x * 2

@mulle.step
def make():
    return Scaler()

@mulle.step
def use(scaler) -> int:
    return scaler.apply(21)

@mulle.pipeline
def main():
    return use(make())
"""


def test_the_class_of_a_pickled_input_is_code_of_the_step(site: Make) -> None:
    site(project=PICKLED).run()
    made = site(project=PICKLED.replace("x * 2", "x * 3"))
    assert made.controller.value(made.run().outputs["result"]) == 63


MODEL = """
import polars as pl
import mulle
from sklearn.linear_model import LinearRegression

rows = mulle.dataset("rows", label="y")

@mulle.step
def fit(table: mulle.Table) -> mulle.Model:
    model = LinearRegression().fit(table.select("x").to_numpy(), table["y"].to_numpy())
    return mulle.Model(model, example=table.select("x"))

@mulle.step
def judge(model: mulle.Model, table: mulle.Table) -> mulle.Report:
    return mulle.evaluate(model, table, label="y")

@mulle.pipeline
def main():
    model = fit(rows)
    mulle.register("line", model, judge(model, rows))
"""


@pytest.fixture
def taught(site: Make) -> Site:
    import polars as pl

    made = site(project=MODEL)
    made.data.commit("rows", pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.1, 5.9, 8.0]}))
    return made


def test_a_model_is_registered_once_however_often_the_pipeline_runs(taught: Site) -> None:
    first, again = taught.run(), taught.run()
    assert (first.model_versions, again.model_versions) == (["line@1"], ["line@1"])
    assert again.steps_executed == 0


def test_a_registered_model_leads_to_the_dataset_version_that_taught_it(taught: Site) -> None:
    taught.run()
    with taught.catalog.read() as tx:
        names = {node.name for node in walk(tx, "model:line@1", "up").nodes}
        downward = {node.name for node in walk(tx, "dataset:rows@1", "down").nodes}
    assert "dataset:rows@1" in names
    assert "model:line@1" in downward


def test_new_rows_teach_a_new_version(taught: Site) -> None:
    import polars as pl

    taught.run()
    taught.data.commit("rows", pl.DataFrame({"x": [1.0, 2.0], "y": [5.0, 1.0]}))
    assert taught.run().model_versions == ["line@2"]


def test_a_dataset_without_a_version_is_named_with_its_cure(site: Make) -> None:
    with pytest.raises(PipelineError, match="the dataset 'rows' has no version yet"):
        site(project=MODEL).run()


def test_registering_what_is_no_model_is_a_failure_of_that_node(site: Make) -> None:
    made = site(project=ADD + '\n\n@mulle.pipeline\ndef wrong():\n    mulle.register("m", one())\n')
    result = made.run("wrong")
    assert result.status == "failed"
    assert "takes the model that a step returned" in result.error


def test_a_run_that_is_asked_to_end_ends_as_cancelled(site: Make) -> None:
    made = site("process", project=ADD.replace("return a + b", "import time; time.sleep(60)"))

    def cancel(progress: Any) -> None:
        if (progress.step, progress.status) == ("add", "running"):
            service(made).cancel(progress.run)

    result = made.controller.run(made.project.one_pipeline(), {}, on_progress=cancel)
    assert result.status == "cancelled"
    assert service(made).show(result.id).status == "cancelled"
