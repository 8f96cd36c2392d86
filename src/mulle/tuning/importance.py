"""How much each parameter matters to an objective."""

from __future__ import annotations

import importlib.util
import math
import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from mulle.clock import SystemClock
from mulle.errors import UsageError, unknown
from mulle.tuning.model import Importance
from mulle.tuning.storage import StudyStorage

if TYPE_CHECKING:
    from mulle.tuning.log import StudyLog
    from mulle.tuning.model import Question

FEWEST = 8
_SEED = 0


def shares(name: str, question: Question, log: StudyLog, objective: int = 0) -> Importance:
    """The share of the objective's variation that each parameter explains by itself, the greatest first.

    Raises:
        UsageError: there are too few complete trials that differ, or no such objective.
    """
    if not 0 <= objective < len(question.metrics):
        known = [str(place) for place in range(len(question.metrics))]
        raise unknown("objective", str(objective), known, cure=f"mulle studies importance {name} --objective 0")
    study = optuna.load_study(study_name=name, storage=StudyStorage(name, log, question, SystemClock()))
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if math.isfinite(trial.values[objective]) and trial.params
    ]
    if len(complete) < FEWEST or len({trial.values[objective] for trial in complete}) == 1:
        raise UsageError(
            f"the study '{name}' cannot tell yet which parameter matters",
            cause=f"it takes {FEWEST} complete trials that are not all as good; there are {len(complete)}",
            cure=f"mulle tune --study {name} --trials {4 * FEWEST}",
        )
    forest = importlib.util.find_spec("sklearn") is not None
    evaluator = FanovaImportanceEvaluator(seed=_SEED) if forest else PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_param_importances(study, evaluator=evaluator, target=lambda trial: trial.values[objective])
    method = "fANOVA" if forest else "PED-ANOVA"
    return Importance(name, len(complete), method, {param: float(share) for param, share in found.items()})
