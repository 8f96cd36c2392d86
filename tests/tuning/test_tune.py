from __future__ import annotations

from pathlib import Path

import pytest
from tests.tuning.conftest import Make
from tests.tuning.curves import PROJECT, SPACE

from mulle.errors import TuningError, UnknownNameError, UsageError
from mulle.tuning.model import Trial
from mulle.workspace import Workspace


def executed(ws: Workspace) -> list[str]:
    return (ws.settings.root / "executed").read_text().splitlines()


def by_number(trials: list[Trial]) -> list[tuple[int, str, dict[str, object], list[float]]]:
    return [(one.number, one.status, one.params, one.values) for one in sorted(trials, key=lambda one: one.number)]


def test_a_study_finds_good_parameters_and_prunes_what_is_hopeless(project: Make) -> None:
    ws = project(PROJECT)
    result = ws.tune("main", SPACE, metric="auc", trials=25)
    assert result.study.best is not None
    assert result.study.best.values[0] > 0.8
    assert result.study.counts["pruned"] > 5
    assert sum(result.study.counts.values()) == 25


def test_a_trial_is_a_run_of_the_pipeline(project: Make) -> None:
    ws = project(PROJECT)
    best = ws.tune("main", SPACE, metric="auc", trials=3).study.best
    assert best is not None
    run = ws.runs.show(best.run)
    assert (run.experiment, run.metrics["auc"]) == ("main", best.values[0])
    assert run.params["depth"] == best.params["depth"]


def test_what_trials_share_is_computed_once(project: Make) -> None:
    ws = project(PROJECT)
    ws.tune("main", {"depth": "int(2,4)"}, metric="auc", trials=12, pruner="none", sampler="random")
    done = executed(ws)
    assert done.count("prepare") == 1
    assert len(done) == len(set(done))


def test_trials_that_were_run_before_are_known(project: Make) -> None:
    ws = project(PROJECT)
    ws.run("main", {"depth": 4})
    before = executed(ws)
    result = ws.tune("main", {"depth": "choice(4)"}, metric="auc", trials=1)
    assert executed(ws) == before
    assert [report.step for report in result.trials[0].reports] == list(range(1, 17))


def test_a_study_goes_on_where_it_was(project: Make) -> None:
    ws = project(PROJECT)
    for trials in (4, 7, 10):
        ws.tune("main", SPACE, metric="auc", study="parts", trials=trials)
    whole = ws.tune("main", SPACE, metric="auc", study="whole", trials=10)
    assert by_number(ws.studies.trials("parts")) == by_number(whole.trials)


def test_a_study_that_is_there_needs_only_its_name(project: Make) -> None:
    ws = project(PROJECT)
    ws.tune("main", SPACE, metric="auc", study="s", trials=2)
    assert len(ws.tune(study="s", trials=5).trials) == 5


def test_a_trial_that_fails_does_not_end_the_study(project: Make) -> None:
    ws = project(PROJECT)
    result = ws.tune("main", {"depth": "choice(6,13,7)"}, metric="auc", sampler="grid", pruner="none")
    assert result.stopped == "space"
    assert result.study.counts == {"complete": 2, "failed": 1}
    failed = next(trial for trial in result.trials if trial.status == "failed")
    assert "depth 13 is unlucky" in failed.error


@pytest.mark.slow
def test_several_trials_run_at_once_in_worker_processes_and_are_pruned_there(project: Make) -> None:
    ws = project(PROJECT, "process")
    result = ws.tune("main", SPACE, metric="auc", trials=12, jobs=2)
    assert sum(result.study.counts.values()) == 12
    assert result.study.counts["pruned"] > 0


def test_the_best_trial_can_be_run(project: Make) -> None:
    ws = project(PROJECT)
    best = ws.tune("main", SPACE, metric="auc", trials=5).study.best
    assert best is not None
    assert ws.run("main", best.params).steps_executed == 0


@pytest.mark.parametrize("sampler", ["random", "cmaes", "qmc", "nsga2", "nsga3"])
def test_every_sampler_stays_in_the_space(project: Make, sampler: str) -> None:
    ws = project(PROJECT)
    trials = ws.tune("main", SPACE, metric="auc", trials=6, sampler=sampler, pruner="none").trials
    assert all(0.001 <= trial.params["rate"] <= 1 and 2 <= trial.params["depth"] <= 12 for trial in trials)


@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_the_other_pruners_prune(project: Make, pruner: str) -> None:
    ws = project(PROJECT)
    assert ws.tune("main", SPACE, metric="auc", trials=30, pruner=pruner).study.counts["pruned"] > 0


EARLY = PROJECT.replace("        mulle.report(epoch, value)\n", """\
        mulle.log_metric("auc", value, step=epoch)
        if mulle.should_prune():
            return value
""")  # fmt: skip


def test_a_step_that_ends_itself_when_it_should_is_pruned_and_not_known_later(project: Make) -> None:
    ws = project(EARLY)
    result = ws.tune("main", SPACE, metric="auc", trials=10)
    pruned = next(trial for trial in result.trials if trial.status == "pruned")
    assert ws.run("main", pruned.params).steps_executed == 1


def test_a_step_that_never_asks_tells_all_its_values(project: Make) -> None:
    ws = project(PROJECT.replace("mulle.report(epoch, value)", 'mulle.log_metric("auc", value, step=epoch)'))
    trials = ws.tune("main", SPACE, metric="auc", trials=10).trials
    assert {trial.status for trial in trials} == {"complete"}
    assert {trial.reports[-1].step for trial in trials} == {16}


def test_several_objectives_have_a_front(project: Make) -> None:
    source = PROJECT.replace(
        'mulle.log_metric("auc", value)', 'mulle.log_metric("auc", value)\n    mulle.log_metric("cost", depth)'
    )
    ws = project(source)
    space = {"depth": "int(2,12)"}
    result = ws.tune("main", space, metric=["auc", "cost"], direction=["maximize", "minimize"], sampler="grid")
    assert result.study.question.directions == ["maximize", "minimize"]
    first = [trial.params["depth"] for trial in result.trials[:6]]
    assert sorted(first) == [2, 3, 4, 5, 6, 7]


def test_the_metric_of_a_report_needs_no_logging(project: Make) -> None:
    ws = project(REPORTED)
    result = ws.tune("judged", {"shift": "choice(0.0,0.5)"}, metric="roc_auc", sampler="grid")
    assert result.study.best is not None
    assert result.study.best.params == {"shift": 0.0}
    assert ws.models.list() == []  # trials register nothing


REPORTED = """
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

import mulle


@mulle.step
def fit(shift: float) -> tuple[mulle.Model, mulle.Report]:
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    rows = pl.DataFrame({"x": x, "y": x + random.normal(size=400) > 0})
    wrong = rows.with_columns(x=pl.col("x") * (1 - shift) + shift * pl.Series(random.normal(size=400)))
    model = mulle.Model(LogisticRegression().fit(rows.select("x"), rows["y"].to_numpy()), example=rows.select("x"))
    return model, mulle.evaluate(model, wrong, label="y")


@mulle.pipeline
def judged(shift: float = 0.0) -> None:
    model, report = fit(shift)
    mulle.register("m", model, report)
"""


# -- what is wrong is told -------------------------------------------------------------------------------------------


def test_a_metric_that_is_never_logged_ends_the_study_at_once(project: Make) -> None:
    ws = project(PROJECT)
    with pytest.raises(TuningError) as caught:
        ws.tune("main", SPACE, metric="acu", trials=10)
    assert "did you mean 'auc'" in (caught.value.cause or "")
    assert len(ws.studies.trials("main")) == 1


def test_trials_that_all_fail_alike_end_the_study(project: Make) -> None:
    ws = project(PROJECT)
    with pytest.raises(TuningError, match="unlucky"):
        ws.tune("main", {"rate": "log(0.01,1)"}, metric="auc", params={"depth": 13}, trials=20)
    assert len(ws.studies.trials("main")) == 3


def test_a_parameter_that_the_pipeline_does_not_take_is_refused_before_anything_runs(project: Make) -> None:
    ws = project(PROJECT)
    with pytest.raises(UnknownNameError, match="detph"):
        ws.tune("main", {"detph": "int(1,2)"}, metric="auc")
    assert ws.studies.list() == []


def test_a_domain_of_another_type_is_refused(project: Make) -> None:
    with pytest.raises(UsageError, match="depth"):
        project(PROJECT).tune("main", {"depth": "uniform(0.5,2.5)"}, metric="auc")


def test_a_parameter_is_not_both_searched_and_given(project: Make) -> None:
    with pytest.raises(UsageError, match="both"):
        project(PROJECT).tune("main", SPACE, metric="auc", params={"depth": 3})


def test_a_study_keeps_its_question(project: Make) -> None:
    ws = project(PROJECT)
    ws.tune("main", SPACE, metric="auc", study="s", trials=1)
    with pytest.raises(UsageError, match="another space"):
        ws.tune("main", {"depth": "int(2,3)"}, metric="auc", study="s")


def test_without_a_name_another_question_is_another_study(project: Make) -> None:
    ws = project(PROJECT)
    ws.tune("main", SPACE, metric="auc", trials=1)
    assert ws.tune("main", {"depth": "int(2,3)"}, metric="auc", trials=1).study.name == "main-2"


def test_nothing_to_search_is_told(project: Make) -> None:
    with pytest.raises(UsageError, match="what is to be searched"):
        project(PROJECT).tune("main")


def test_a_declared_study_is_run_by_its_name(project: Make, tmp_path: Path) -> None:
    declared = '\nmulle.study("deep", main, {"depth": "int(2,12)"}, metric="auc", sampler="grid", pruner="none")\n'
    ws = project(PROJECT + declared)
    result = ws.tune(study="deep")
    assert (result.study.name, len(result.trials)) == ("deep", 11)
