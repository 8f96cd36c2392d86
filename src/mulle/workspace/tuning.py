"""Searches as people ask for them: a study that is declared, one that is there already, or one that is made now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import TuningError, UsageError
from mulle.tuning.declare import TRIALS, StudyDefinition
from mulle.tuning.declare import study as declare
from mulle.tuning.model import Manner, Question
from mulle.tuning.tuner import Limits, Tuner, check_space

if TYPE_CHECKING:
    from mulle.pipelines import Controller
    from mulle.pipelines.executor import Executor
    from mulle.tuning.model import Study, Trial, TuneResult
    from mulle.workspace.facade import Workspace

Changed = Callable[["list[Trial]", float], None]
_MOST_NAMES = 1000
_MAY_CHANGE = {"sampler", "pruner", "seed", "trials", "timeout", "jobs"}


def tune(
    ws: Workspace,
    definition: StudyDefinition,
    controller: Controller,
    executor: Executor,
    on_change: Changed | None = None,
) -> TuneResult:
    """Begin a study or go on with it.

    Raises:
        UsageError: the pipeline does not take what is searched, or a study of that name asks something else.
        TuningError: Optuna is not installed, the metric is never logged, or the first trials all fail alike.
    """
    _require_optuna()
    pipeline = ws.project.one_pipeline(definition.pipeline)
    check_space(pipeline, definition.space, definition.params)
    question = Question(
        pipeline=pipeline.name,
        space=definition.space,
        metrics=definition.metrics,
        directions=definition.directions,
        params=definition.params,
    )
    name = definition.name or _name(ws, pipeline.name, question)
    known = ws.studies.find(name)
    manner = _manner(definition, None if known is None else known.manner)
    _check_manner(manner, question)
    study = ws.studies.begin(name, question, manner)
    ws.take_first_versions()
    tuner = Tuner(
        study,
        studies=ws.studies,
        catalog=ws.catalog,
        controller=controller,
        pipeline=pipeline,
        executor=executor,
        clock=ws.clock,
        limits=Limits(definition.trials, definition.timeout, definition.jobs),
    )
    return tuner.tune(on_change)


def definition(
    ws: Workspace, pipeline: str, space: Mapping[str, Any] | None, name: str, settings: Mapping[str, Any]
) -> StudyDefinition:
    """What is asked for: a new study, or a declared one or one that is there with some settings in their place.

    Raises:
        UsageError: nothing says what is to be searched, or a setting cannot be.
    """
    said = {key: value for key, value in settings.items() if value not in (None, (), [], {})}
    declared = ws.project.definitions.all("study").get(name) if name else None
    if space:
        return declare(name, pipeline or ws.project.one_pipeline().name, space, **said)
    if declared is None:
        known = ws.studies.find(name) if name else None
        if known is None:
            raise UsageError(
                f"the study '{name}' is not there yet" if name else "what is to be searched?",
                cause="there is no space",
                cure='mulle tune PIPELINE --metric roc_auc --space "learning_rate=log(0.01,0.3)"',
            )
        declared = _of(known)
    fixed = set(said) - _MAY_CHANGE
    if fixed or (pipeline and pipeline != declared.pipeline):
        raise UsageError(
            f"the study '{name}' is there already, and its {min(fixed or {'pipeline'})} stays",
            cause="its trials could not be compared",
            cure="give the new one a name of its own, and a space: --study NAME --space …",
        )
    return msgspec.structs.replace(declared, **said)


def _of(study: Study) -> StudyDefinition:
    """The definition of a study that is there."""
    question = study.question
    if question.kind != "tune":
        raise UsageError(
            f"the study '{study.name}' searches no pipeline of the project",
            cause="mulle automl made it",
            cure=f"mulle studies show {study.name}",
        )
    return StudyDefinition(
        name=study.name,
        pipeline=question.pipeline,
        space=question.space,
        metrics=question.metrics,
        directions=question.directions,
        params=question.params,
        trials=int(study.manner.settings.get("trials", TRIALS)),
    )


def _name(ws: Workspace, base: str, question: Question) -> str:
    """The pipeline's name, unless a study of that name asks something else: then the first free one."""
    for number in range(1, _MOST_NAMES):
        name = base if number == 1 else f"{base}-{number}"
        known = ws.studies.find(name)
        if known is None or known.question == question:
            return name
    raise UsageError(f"there are {_MOST_NAMES} studies of {base}", cause="none asks this", cure="--study NAME")


def _manner(definition: StudyDefinition, known: Manner | None) -> Manner:
    before = known or Manner()
    return Manner(
        sampler=definition.sampler or before.sampler,
        pruner=definition.pruner or before.pruner,
        seed=before.seed if definition.seed is None else definition.seed,
        settings={**before.settings, "trials": definition.trials},
    )


def _check_manner(manner: Manner, question: Question) -> None:
    from mulle.tuning.search import sampler_of  # noqa: PLC0415 - optional, and slow to import

    sampler_of(manner, question.space)


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401, PLC0415 - optional, and slow to import
    except ImportError as error:
        raise TuningError(
            "a search needs Optuna", cause=f"it is not installed: {error}", cure='pip install "mulle[tuning]"'
        ) from None
