"""Optuna sees a study's log as it sees its own storages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from mulle.clock import SystemClock
from mulle.tuning.log import StudyLog
from mulle.tuning.model import Manner, Question
from mulle.tuning.search import Search
from mulle.tuning.space import space_of
from mulle.tuning.storage import StudyStorage

QUESTION = Question(metrics=["m"], directions=["minimize"], space=space_of({"x": "uniform(-5,5)", "k": "choice(a,b)"}))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StudyLog]:
    made = StudyLog(tmp_path / "s.log", durable=False)
    yield made
    made.close()


def studied(log: StudyLog, **given: object) -> optuna.Study:
    storage = StudyStorage("s", log, QUESTION, SystemClock())
    return optuna.load_study(study_name="s", storage=storage, **given)  # type: ignore[arg-type]


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    for step in range(1, 10):
        trial.report(x * x + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x


@pytest.mark.parametrize("seed", range(3))
def test_a_search_goes_as_it_goes_in_memory(log: StudyLog, seed: int) -> None:
    found = []
    for study in (studied(log, sampler=optuna.samplers.TPESampler(seed=seed)), None):
        chosen = study or optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        chosen.pruner = optuna.pruners.SuccessiveHalvingPruner()
        chosen.optimize(objective, n_trials=30)
        found.append([(t.number, t.state, t.params, t.values, t.intermediate_values) for t in chosen.trials])
    assert found[0] == found[1]


def test_attributes_and_enqueued_trials_are_kept(log: StudyLog) -> None:
    study = studied(log)
    study.set_user_attr("team", "red")
    study.enqueue_trial({"x": 2.5}, user_attrs={"why": "known"})
    study.optimize(objective, n_trials=1)
    again = studied(log)
    assert again.user_attrs == {"team": "red"}
    assert (again.trials[0].params["x"], again.trials[0].user_attrs) == (2.5, {"why": "known"})


def test_a_trial_that_is_over_cannot_be_changed(log: StudyLog) -> None:
    study = studied(log)
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        trial.set_user_attr("late", 1)
    assert study.best_trial.number == 0


def test_what_fails_is_kept_as_failed(log: StudyLog) -> None:
    study = studied(log)
    study.optimize(lambda trial: 1 / 0, n_trials=2, catch=ZeroDivisionError)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2


def test_what_is_drawn_depends_on_the_trial_and_not_on_who_draws(log: StudyLog, tmp_path: Path) -> None:
    def params(log: StudyLog, anew: bool) -> list[dict[str, object]]:
        found, search = [], Search("s", log, QUESTION, Manner(seed=3), SystemClock(), most=12)
        while (asked := search.ask()) is not None:
            found.append(asked.params)
            search.complete(asked.number, [float(asked.params["x"]) ** 2])
            if anew:
                search = Search("s", log, QUESTION, Manner(seed=3), SystemClock(), most=12)
        return found

    other = StudyLog(tmp_path / "other.log", durable=False)
    assert params(log, anew=False) == params(other, anew=True)
    other.close()


def test_a_grid_is_tried_once_each(log: StudyLog) -> None:
    question = Question(metrics=["m"], directions=["minimize"], space=space_of({"n": "int(1,3)", "k": "choice(a,b)"}))
    search, seen = Search("s", log, question, Manner(sampler="grid"), SystemClock(), most=50), []
    while (asked := search.ask()) is not None:
        seen.append(tuple(asked.params.values()))
        search.complete(asked.number, [1.0])
    assert sorted(seen) == [(n, k) for n in (1, 2, 3) for k in "ab"]
